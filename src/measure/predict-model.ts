/** How fast a schedule of a model would play on a device of which a profile is known. Nothing is loaded and nothing measured. */
import type { Parameter } from "../engine/parameter.ts";
import type { ModelConfig } from "../model/config.ts";
import { storageType, type WeightChoice } from "../model/load-weights.ts";
import { planSession } from "../model/session.ts";
import type { Steps } from "../schedule/schedule.ts";
import type { StoredType } from "../weights/checkpoint.ts";
import type { Measurement } from "./device/profile.ts";
import { type Prediction, predictPlay, predictPrompt } from "./roofline.ts";

const PROMPT = 256;

export interface SpeedPrediction {
  /** Tokens of the prompt: 256, or what the context has room for before one more. */
  readonly prompt: number;
  /** Seconds from the first token of that prompt to the logits of its last. */
  readonly promptSeconds: number;
  /** The token behind that prompt. */
  readonly decode: Prediction;
  /** The last token of the context. */
  readonly last: Prediction;
}

/** `context` in tokens; `stored` by name of the tensor. */
export function predictSpeed(
  config: ModelConfig,
  steps: Steps,
  stored: ReadonlyMap<string, StoredType>,
  choice: WeightChoice,
  context: number,
  measured: Measurement,
): SpeedPrediction {
  const storage = (p: Parameter) => (p.kind === "vector" ? "f32" : storageType(stored.get(p.name) ?? "F32", choice));
  const planned = planSession(config, steps, storage, measured.threads, { contextLength: context });
  const prompt = Math.max(1, Math.min(PROMPT, context - 1));
  const decode = (position: number) => predictPlay(planned, storage, { rows: 1, position }, measured);
  return {
    prompt,
    promptSeconds: predictPrompt(planned, storage, prompt, measured),
    decode: decode(Math.min(prompt, context - 1)),
    last: decode(context - 1),
  };
}
