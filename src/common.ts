/** What `refrain` and `refrain/web` both give. */
export type { CacheType } from "./engine/attention-layout.ts";
export { RefrainError } from "./errors.ts";
export { type Filling, fillMask } from "./generate/fill-mask.ts";
export type { GenerateOptions, GenerateStats } from "./generate/generate.ts";
export type { WeightType } from "./load-checkpoint.ts";
export type { ModelConfig } from "./model/config.ts";
export type { Session, SessionOptions } from "./model/session.ts";
export type { OnProgress, Progress } from "./progress.ts";
export {
  cycle,
  dropRange,
  dropSteps,
  repeatEach,
  reverse,
  shareAttention,
  shareEvery,
  shareFfn,
} from "./schedule/edits.ts";
export { steps } from "./schedule/expand.ts";
export { parseSchedule } from "./schedule/parse.ts";
export { printSchedule, printSteps } from "./schedule/print.ts";
export type { Schedule, Step, Steps } from "./schedule/schedule.ts";
export { cycleReverseSharing, cycleSharing, sequenceSharing } from "./schedule/sharing.ts";
export { effectiveDepth, kvSlots, uniqueDepth, usesPerBlock } from "./schedule/stats.ts";
export type { ChatMessage, Tokenizer } from "./text/tokenizer.ts";
