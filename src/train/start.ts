/**
 * Runs that begin with the weights of a model instead of random ones: training goes on, or layers that were tied, grown or dropped
 * learn to live with it ("uptraining", arXiv 2410.20672).
 */
import { resolve } from "node:path";
import type { Parameter } from "../engine/parameter.ts";
import type { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { inputError } from "../errors.ts";
import type { ModelConfig } from "../model/config.ts";
import { type LoadWeightsOptions, loadWeights } from "../model/load-weights.ts";
import { readConfig } from "../model/read-config.ts";
import { vocabularyDifference } from "../text/same-vocabulary.ts";
import { openTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { openCheckpoint } from "../weights/open.ts";

interface Started {
  readonly folder: string;
  readonly path: string;
  readonly start: string;
}

/** The tokenizer that the model brings; undefined where it brings none. Throws what opening a model throws. */
export function startTokenizer(config: Started): Promise<Tokenizer | undefined> {
  return opened(config, async (checkpoint) => {
    const vocabulary = await checkpoint.vocabulary();
    return vocabulary && (await openTokenizer(vocabulary));
  });
}

/** Throws `tokenizer-mismatch` where the rows of the model's embedding are of other tokens than the run's. */
export async function refuseOtherTokenizer(config: Started, tokenizer: Tokenizer): Promise<void> {
  const own = await startTokenizer(config);
  const difference = own && vocabularyDifference(own, tokenizer);
  if (difference === undefined) return;
  throw inputError(
    "tokenizer-mismatch",
    `${config.path}: tokenizer: ${config.start}, which the run starts with, has another: ${difference}`,
    "Leave tokenizer out, and the run takes that of the model.",
  );
}

/**
 * Loads `parameters` of `model` as f32. Throws `tensor-missing` and `tensor-shape` where what the run starts with has another shape,
 * `start-config` where the same weights would compute something else.
 */
export function loadStart(
  config: Started,
  model: ModelConfig,
  parameters: readonly Parameter[],
  store: ParameterStore,
  options: LoadWeightsOptions,
): Promise<void> {
  return opened(config, async (checkpoint) => {
    const own = await readConfig(checkpoint);
    await loadWeights(checkpoint, parameters, "f32", store, options);
    for (const [key, what] of Object.entries(beyondShapes) as [keyof typeof beyondShapes, string][]) {
      const [theirs, ours] = [own[key], model[key]].map(inSingles);
      if (theirs === ours) continue;
      throw inputError(
        "start-config",
        `${config.path}: model: ${config.start}, which the run starts with, has another ${what}: ${theirs}, not ${ours}`,
        "Write into model what the config.json of that model says.",
      );
    }
  });
}

/** What no shape of a tensor shows, but the function that the weights are part of; with the keys that say it. */
const beyondShapes = {
  heads: "number of heads (num_attention_heads)",
  feedForward: "feed-forward (hidden_act)",
  normEpsilon: "epsilon of its norms (rms_norm_eps, layer_norm_epsilon)",
  rope: "rotary embedding (rope_theta, rope_scaling)",
  windows: "attention window (sliding_window)",
  relaxed: "relaxation (relaxed)",
} as const satisfies Partial<Record<keyof ModelConfig, string>>;

/** Files of other formats hold the same numbers in single precision. */
const inSingles = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) => (typeof inner === "number" ? Math.fround(inner) : inner)) ?? "none";

async function opened<T>({ folder, start }: Started, use: (checkpoint: Checkpoint) => Promise<T>): Promise<T> {
  const checkpoint = await openCheckpoint(resolve(folder, start));
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}
