/** Several models, or one with several schedules, measured alike: one at a time, so that memory holds one. */
import type { CacheType } from "../engine/attention-layout.ts";
import type { ModelConfig } from "../model/config.ts";
import { readConfig } from "../model/read-config.ts";
import { refuseEncoder } from "../model/session.ts";
import type { OnProgress } from "../progress.ts";
import { load, resolveSchedule, type WeightType } from "../refrain.ts";
import { firstTokens } from "../text/first-tokens.ts";
import { openCheckpoint } from "../weights/open.ts";
import { type Profile, perplexityWindow, profile } from "./profile.ts";
import type { OpenTask } from "./tasks/open-tasks.ts";

export interface Candidate {
  /** A path or a name on the hub. */
  readonly model: string;
  /** Without it, the model's own. */
  readonly schedule?: string | undefined;
}

export interface CompareOptions {
  /** For perplexity; without it none is measured. */
  readonly text?: string | undefined;
  /** Most tokens of the text that are read. */
  readonly tokens?: number | undefined;
  /** Without it, what suits all models: at most 1,024 tokens. */
  readonly window?: number | undefined;
  readonly stride?: number | undefined;
  readonly tasks?: readonly OpenTask[] | undefined;
  /** Items of each task. */
  readonly limit?: number | undefined;
  readonly prompt?: string | undefined;
  readonly weights?: WeightType | undefined;
  readonly cache?: CacheType | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface Compared {
  readonly candidate: Candidate;
  readonly profile: Profile;
  /** The text is the same tokens to it as to the first: only then can their perplexities be compared. */
  readonly sameTokens: boolean;
}

/** Every candidate is opened and its schedule checked before the first is measured. */
export async function compareModels(candidates: readonly Candidate[], options: CompareOptions): Promise<Compared[]> {
  const { text, weights, cache, threads, signal, onProgress, ...rest } = options;
  const configs: ModelConfig[] = [];
  for (const candidate of candidates) configs.push(await check(candidate, { signal, onProgress }));
  const window = rest.window ?? Math.min(...configs.map(perplexityWindow));
  const compared: Compared[] = [];
  let reference: readonly number[] | undefined;
  for (const candidate of candidates) {
    const { schedule } = candidate;
    const model = await load(candidate.model, { schedule, weights, cache, threads, signal, onProgress });
    try {
      const tokens = text === undefined ? undefined : firstTokens(model.needTokenizer(), text, rest.tokens);
      reference ??= tokens;
      const measured = await profile(model, { ...rest, tokens, window, signal, onProgress });
      compared.push({ candidate, profile: measured, sameTokens: tokens?.join() === reference?.join() });
    } finally {
      await model.dispose();
    }
  }
  return compared;
}

async function check({ model, schedule }: Candidate, options: Pick<CompareOptions, "signal" | "onProgress">) {
  const checkpoint = await openCheckpoint(model, options);
  try {
    const config = await readConfig(checkpoint);
    if (config.bidirectional) throw refuseEncoder(model);
    resolveSchedule(config, schedule);
    return config;
  } finally {
    await checkpoint.close();
  }
}
