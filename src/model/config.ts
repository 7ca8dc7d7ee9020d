/**
 * `config.json` → what the model families compute with. Every format is read in the shape of a Hugging Face config
 * (see weights/checkpoint.ts), so this is the one door through which a model's dimensions come in; they are checked here.
 */
import * as v from "valibot";
import { inputError } from "../errors.ts";
import { printSteps } from "../schedule/print.ts";
import { isIdentity, MAX_STEPS } from "../schedule/schedule.ts";
import { activationNamed, type FeedForward } from "./activation.ts";
import { albertSteps } from "./albert.ts";
import { albertSchema, gpt2Schema, llamaSchema, recurrenceSchema, relaxedSchema } from "./config-schemas.ts";
import type { Recurrence } from "./recurrence.ts";
import type { Relaxed } from "./relaxed.ts";

/** Frequencies of the rotary embedding and how they are stretched for longer contexts. */
export interface RopeConfig {
  readonly theta: number;
  readonly scaling:
    | { readonly kind: "none" }
    | { readonly kind: "linear"; readonly factor: number }
    | {
        readonly kind: "llama3";
        readonly factor: number;
        readonly lowFrequencyFactor: number;
        readonly highFrequencyFactor: number;
        readonly originalContext: number;
      }
    /** What each frequency is divided by, as GGUF files bring it. */
    | { readonly kind: "factors"; readonly factors: readonly number[] };
}

export interface ModelConfig {
  /** `model_type` of the checkpoint: llama, qwen2, qwen3, mistral, mobilellm, gpt2, albert. */
  readonly modelType: string;
  readonly vocabSize: number;
  /** Width of the residual stream. */
  readonly hiddenSize: number;
  /** Width of the embeddings; less than `hiddenSize` where a map lies between them (ALBERT). */
  readonly embeddingSize: number;
  /** Sets of block weights in the checkpoint; how often they are played is the schedule's matter. */
  readonly blocks: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  readonly ffnSize: number;
  readonly feedForward: FeedForward;
  /** Longest sequence that the model was made for. */
  readonly contextLength: number;
  readonly normEpsilon: number;
  /** The output projection is the embedding. */
  readonly tiedEmbeddings: boolean;
  readonly rope: RopeConfig;
  /** Positions that a block's attention sees; undefined: all. One entry a block. */
  readonly windows: readonly (number | undefined)[];
  readonly bias: { readonly qkv: boolean; readonly output: boolean; readonly ffn: boolean };
  /** RMS norm on each query and key head (Qwen 3). */
  readonly queryKeyNorm: boolean;
  /** An encoder: each token sees the whole sequence, and what is masked is predicted, not what follows. */
  readonly bidirectional: boolean;
  /** Segments that tokens can belong to; 0 where a model knows none. */
  readonly tokenTypes: number;
  /** The schedule that the checkpoint brings, or undefined for each block once. */
  readonly schedule: string | undefined;
  /** Shared blocks differ by step. */
  readonly relaxed?: Relaxed;
  /** A loop that is told again what stands before it. */
  readonly recurrence?: Recurrence;
}

/** Families that read a config in Llama's keys, with what sets each apart. */
export const llamaTypes: Readonly<Record<string, { qkvBias?: boolean; queryKeyNorm?: boolean; window?: boolean }>> = {
  llama: {},
  mistral: { window: true },
  mobilellm: {},
  qwen2: { qkvBias: true, window: true },
  qwen3: { queryKeyNorm: true, window: true },
};

export const supportedTypes: readonly string[] = [...Object.keys(llamaTypes), "gpt2", "albert"];

/** `path` stands in messages. Throws `config` where a key is missing or impossible, `model-type` where it is not ours. */
export function parseConfig(config: Readonly<Record<string, unknown>>, path: string): ModelConfig {
  const type = config.model_type;
  if (typeof type !== "string" || !supportedTypes.includes(type)) {
    throw inputError(
      "model-type",
      `${path}: model_type ${JSON.stringify(type) ?? "is missing"} is not one that Refrain plays`,
      `It plays ${supportedTypes.join(", ")}.`,
    );
  }
  const parsed = { ...parseFamily(type, config, path), ...relaxedOf(config), ...recurrenceOf(config, path) };
  checkShape(parsed, path);
  return parsed;
}

function parseFamily(type: string, config: Readonly<Record<string, unknown>>, path: string): ModelConfig {
  if (type === "gpt2") return gpt2Config(read(gpt2Schema, config, path), path);
  return type === "albert" ? albertConfig(read(albertSchema, config, path), path) : llamaConfig(config, path);
}

/** Its shape has been checked with the family's. */
function relaxedOf({ refrain }: Readonly<Record<string, unknown>>): Pick<ModelConfig, "relaxed"> {
  const given = (refrain as { relaxed?: unknown } | undefined)?.relaxed;
  if (given === undefined) return {};
  const { rank, alpha = rank, modules } = v.parse(relaxedSchema, given);
  return { relaxed: { rank, alpha, modules } };
}

function recurrenceOf(
  { refrain, model_type }: Readonly<Record<string, unknown>>,
  path: string,
): Pick<ModelConfig, "recurrence"> {
  const given = (refrain as { recurrence?: unknown } | undefined)?.recurrence;
  if (given === undefined) return {};
  if (!((model_type as string) in llamaTypes)) {
    throw inputError("config", `${path}: refrain.recurrence: ${model_type} has none; it belongs to the Llama family`);
  }
  return { recurrence: v.parse(recurrenceSchema, given) };
}

function read<S extends v.GenericSchema>(schema: S, config: unknown, path: string): v.InferOutput<S> {
  const result = v.safeParse(schema, config);
  if (result.success) return result.output;
  const issue = result.issues[0];
  const key = v.getDotPath(issue) ?? "";
  throw inputError(
    "config",
    `${path}: ${key}: expected ${issue.expected ?? issue.requirement ?? "something else"}, got ${issue.received}`,
    "config.json and the weights must come from the same model.",
  );
}

function llamaConfig(config: Readonly<Record<string, unknown>>, path: string): ModelConfig {
  const c = read(llamaSchema, config, path);
  const { qkvBias = false, queryKeyNorm = false, window = false } = llamaTypes[c.model_type]!;
  const bias = c.attention_bias ?? false;
  return {
    modelType: c.model_type,
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    embeddingSize: c.hidden_size,
    blocks: c.num_hidden_layers,
    heads: c.num_attention_heads,
    kvHeads: c.num_key_value_heads ?? c.num_attention_heads,
    headWidth: c.head_dim ?? Math.floor(c.hidden_size / c.num_attention_heads),
    ffnSize: c.intermediate_size,
    feedForward: llamaFeedForward(c.hidden_act, c.mlp_gate ?? true, path),
    contextLength: c.max_position_embeddings,
    normEpsilon: c.rms_norm_eps,
    // MobileLLM's own code ties by a flag of its own and leaves tie_word_embeddings false.
    tiedEmbeddings: c.share_embedding ?? c.tie_word_embeddings ?? false,
    rope: ropeConfig(c, path),
    windows: window ? slidingWindows(c, path) : Array(c.num_hidden_layers).fill(undefined),
    bias: { qkv: qkvBias || bias, output: bias && !qkvBias, ffn: c.mlp_bias ?? false },
    queryKeyNorm,
    bidirectional: false,
    tokenTypes: 0,
    schedule: c.refrain?.schedule ?? (c.layer_sharing ? `each(0-${c.num_hidden_layers - 1})x2` : undefined),
  };
}

/** With a gate it is SwiGLU; without one (`mlp_gate: false`, a key of Refrain's) a plain activation between two maps. */
function llamaFeedForward(act: string, gated: boolean, path: string): FeedForward {
  const found = gated ? (act === "silu" ? "swiglu" : undefined) : activationNamed(act);
  if (found !== undefined) return found;
  const expected = gated ? '"silu"' : '"relu", "gelu" or "gelu_new"';
  throw inputError(
    "config",
    `${path}: hidden_act: expected ${expected}, got "${act}"`,
    gated
      ? 'Feed-forwards with a gate are SwiGLU. One without has "mlp_gate": false.'
      : 'Without a gate ("mlp_gate": false) it is a plain function.',
  );
}

function ropeConfig(c: v.InferOutput<typeof llamaSchema>, path: string): RopeConfig {
  // transformers 5 puts theta and scaling into rope_parameters; before, they were two keys.
  const scaling = c.rope_parameters ?? c.rope_scaling ?? {};
  const theta = scaling.rope_theta ?? c.rope_theta ?? 10000;
  const kind = scaling.rope_type ?? scaling.type ?? "default";
  const need = (key: "factor" | "low_freq_factor" | "high_freq_factor" | "original_max_position_embeddings") => {
    const value = scaling[key];
    if (typeof value !== "number") {
      throw inputError("config", `${path}: rope_scaling.${key}: expected a number, got nothing (type "${kind}")`);
    }
    return value;
  };
  if (kind === "default") return { theta, scaling: { kind: "none" } };
  if (kind === "linear") return { theta, scaling: { kind: "linear", factor: need("factor") } };
  if (kind === "llama3") {
    return {
      theta,
      scaling: {
        kind: "llama3",
        factor: need("factor"),
        lowFrequencyFactor: need("low_freq_factor"),
        highFrequencyFactor: need("high_freq_factor"),
        originalContext: need("original_max_position_embeddings"),
      },
    };
  }
  throw inputError("config", `${path}: rope_scaling type "${kind}" is not played`, "Known: default, linear, llama3.");
}

function slidingWindows(c: v.InferOutput<typeof llamaSchema>, path: string): (number | undefined)[] {
  const blocks = c.num_hidden_layers;
  const window = c.use_sliding_window === false ? undefined : (c.sliding_window ?? undefined);
  if (c.layer_types) {
    if (c.layer_types.length !== blocks) {
      throw inputError("config", `${path}: layer_types has ${c.layer_types.length} entries for ${blocks} blocks`);
    }
    return c.layer_types.map((type) => (type === "sliding_attention" ? window : undefined));
  }
  // Qwen 2 and 3 use the window only from block max_window_layers on.
  const first = c.model_type === "mistral" ? 0 : (c.max_window_layers ?? blocks);
  return Array.from({ length: blocks }, (_, block) => (block >= first ? window : undefined));
}

function plainActivation(name: string, key: string, path: string): FeedForward {
  const found = activationNamed(name);
  if (found === undefined) {
    throw inputError("config", `${path}: ${key}: expected "gelu_new", "gelu" or "relu", got "${name}"`);
  }
  return found;
}

function gpt2Config(c: v.InferOutput<typeof gpt2Schema>, path: string): ModelConfig {
  if (c.scale_attn_weights === false || c.scale_attn_by_inverse_layer_idx) {
    throw inputError("config", `${path}: attention scaled otherwise than by the head width is not played`);
  }
  return {
    modelType: c.model_type,
    vocabSize: c.vocab_size,
    hiddenSize: c.n_embd,
    embeddingSize: c.n_embd,
    blocks: c.n_layer,
    heads: c.n_head,
    kvHeads: c.n_head,
    headWidth: Math.floor(c.n_embd / c.n_head),
    ffnSize: c.n_inner ?? 4 * c.n_embd,
    feedForward: plainActivation(c.activation_function, "activation_function", path),
    contextLength: c.n_positions,
    normEpsilon: c.layer_norm_epsilon,
    tiedEmbeddings: c.tie_word_embeddings ?? true,
    rope: { theta: 10000, scaling: { kind: "none" } },
    windows: Array(c.n_layer).fill(undefined),
    bias: { qkv: true, output: true, ffn: true },
    queryKeyNorm: false,
    bidirectional: false,
    tokenTypes: 0,
    schedule: c.refrain?.schedule,
  };
}

function albertConfig(c: v.InferOutput<typeof albertSchema>, path: string): ModelConfig {
  if ((c.position_embedding_type ?? "absolute") !== "absolute") {
    throw inputError(
      "config",
      `${path}: position_embedding_type: expected "absolute", got "${c.position_embedding_type}"`,
    );
  }
  const { num_hidden_layers: layers, num_hidden_groups: groups, inner_group_num: inner } = c;
  if (layers * inner > MAX_STEPS || groups * inner > MAX_STEPS) {
    throw inputError("config", `${path}: ${layers} layers of ${inner} blocks; at most ${MAX_STEPS} steps are played`);
  }
  const blocks = groups * inner;
  const own = albertSteps(layers, groups, inner);
  return {
    modelType: c.model_type,
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    embeddingSize: c.embedding_size,
    blocks,
    heads: c.num_attention_heads,
    kvHeads: c.num_attention_heads,
    headWidth: Math.floor(c.hidden_size / c.num_attention_heads),
    ffnSize: c.intermediate_size,
    feedForward: plainActivation(c.hidden_act, "hidden_act", path),
    contextLength: c.max_position_embeddings,
    normEpsilon: c.layer_norm_eps,
    tiedEmbeddings: c.tie_word_embeddings ?? true,
    rope: { theta: 10000, scaling: { kind: "none" } },
    windows: Array(blocks).fill(undefined),
    bias: { qkv: true, output: true, ffn: true },
    queryKeyNorm: false,
    bidirectional: true,
    tokenTypes: c.type_vocab_size,
    schedule: c.refrain?.schedule ?? (isIdentity(own, blocks) ? undefined : printSteps(own)),
  };
}

/** What the kernels and the notation need of any model. */
function checkShape(c: ModelConfig, path: string): void {
  const refuse = (message: string, help?: string) => {
    throw inputError("config", `${path}: ${message}`, help);
  };
  if (c.heads % c.kvHeads !== 0) refuse(`${c.heads} query heads cannot share ${c.kvHeads} key/value heads evenly`);
  if (["gpt2", "albert"].includes(c.modelType) && c.hiddenSize % c.heads !== 0) {
    refuse(`hidden size ${c.hiddenSize} does not divide into ${c.heads} heads`);
  }
  if (c.headWidth % 4 !== 0) refuse(`heads are ${c.headWidth} wide; the kernels need a multiple of 4`);
  if (c.blocks > 4096) refuse(`${c.blocks} blocks; at most 4,096 are played`);
}
