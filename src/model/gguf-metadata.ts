/**
 * From a model's config to the metadata of a GGUF file: the inverse of `weights/gguf-config.ts`. Keys: ggml, docs/gguf.md.
 * What the format has no word for is refused, since a file without it would play something else.
 */
import { inputError } from "../errors.ts";
import { printSteps } from "../schedule/print.ts";
import { hasAttention, isIdentity, type Steps } from "../schedule/schedule.ts";
import { type Architecture, architectures } from "../weights/gguf-names.ts";
import type { GgufEntry } from "../weights/gguf-write.ts";
import type { ModelConfig } from "./config.ts";

/** Mistral, MobileLLM and Llama are one architecture there. Error: `export-model`. */
export function ggufArchitecture({ modelType }: ModelConfig, path: string): Architecture {
  const name = modelType === "mistral" || modelType === "mobilellm" ? "llama" : modelType;
  const architecture = architectures.find((one) => one === name);
  if (architecture !== undefined) return architecture;
  throw inputError(
    "export-model",
    `${path}: a model of the type "${modelType}" cannot be written as GGUF`,
    `Decoders can: ${architectures.join(", ")}, mistral, mobilellm. \`refrain shrink\` writes a folder of any model.`,
  );
}

/**
 * @param steps of the blocks as they are written
 * @param windows of the blocks whose attention is played
 * @param path for messages
 */
export function ggufMetadata(
  config: ModelConfig,
  {
    steps,
    blocks,
    windows,
    path,
  }: {
    readonly steps: Steps;
    readonly blocks: number;
    readonly windows: ModelConfig["windows"];
    readonly path: string;
  },
): Map<string, GgufEntry> {
  const architecture = ggufArchitecture(config, path);
  const own = architecture === "gpt2" ? gpt2Keys(config) : llamaKeys(config, windowOf(config, windows, path));
  const entries: (readonly [string, GgufEntry])[] = [
    ["general.architecture", ["string", architecture]],
    ["block_count", ["u32", blocks]],
    ["context_length", ["u32", config.contextLength]],
    ["embedding_length", ["u32", config.hiddenSize]],
    ["feed_forward_length", ["u32", config.ffnSize]],
    ["attention.head_count", ["u32", config.heads]],
    ...own,
    ...(isIdentity(steps, blocks) ? [] : [["refrain.schedule", ["string", printSteps(steps)]] as const]),
  ];
  const isWhole = (key: string) => /^(general|refrain)\./.test(key);
  return new Map(entries.map(([key, entry]) => [isWhole(key) ? key : `${architecture}.${key}`, entry]));
}

type Keys = readonly (readonly [string, GgufEntry])[];

function gpt2Keys(config: ModelConfig): Keys {
  return [["attention.layer_norm_epsilon", ["f32", config.normEpsilon]]];
}

function llamaKeys(config: ModelConfig, window: number | undefined): Keys {
  const { rope } = config;
  return [
    ["attention.head_count_kv", ["u32", config.kvHeads]],
    ["attention.key_length", ["u32", config.headWidth]],
    ["attention.value_length", ["u32", config.headWidth]],
    ["attention.layer_norm_rms_epsilon", ["f32", config.normEpsilon]],
    ["rope.dimension_count", ["u32", config.headWidth]],
    ["rope.freq_base", ["f32", rope.theta]],
    ...(rope.scaling.kind === "linear"
      ? ([
          ["rope.scaling.type", ["string", "linear"]],
          ["rope.scaling.factor", ["f32", rope.scaling.factor]],
        ] as const)
      : []),
    ...(window === undefined ? [] : [["attention.sliding_window", ["u32", window]] as const]),
  ];
}

/** GGUF has one window for all blocks, and readers take it for Mistral's alone. Error: `export-window`. */
function windowOf(config: ModelConfig, windows: ModelConfig["windows"], path: string): number | undefined {
  const real = windows.map((window) => (window !== undefined && window < config.contextLength ? window : undefined));
  const [first] = real;
  if (real.some((window) => window !== first) || (first !== undefined && config.modelType !== "mistral")) {
    throw inputError(
      "export-window",
      `${path}: attention sees ${[...new Set(real.map((w) => w ?? "all"))].join(" and ")} positions; GGUF cannot say so of a ${config.modelType} model`,
      "Keep this model as a folder: `refrain shrink` writes one.",
    );
  }
  return first;
}

/** Windows of the blocks that attend. */
export function playedWindows(config: ModelConfig, steps: Steps): ModelConfig["windows"] {
  return steps.filter(hasAttention).map(({ block }) => config.windows[block]);
}
