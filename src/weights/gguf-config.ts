/**
 * From the metadata of a GGUF file to a record in the shape of the hub's `config.json`. Keys of the metadata: ggml,
 * docs/gguf.md; keys of the result: LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config, GPT2Config of transformers.
 *
 * What the metadata says and no Refrain model does (experts, partly rotated heads, layers of different shapes) is refused
 * here, since a model that ran without it would run wrong.
 */
import { inputError } from "../errors.ts";
import type { GgufHeader } from "./gguf-header.ts";
import { type Architecture, architectures } from "./gguf-names.ts";
import { type GgufValue, type NumberArray, quote } from "./gguf-values.ts";

export type ConfigRecord = Readonly<Record<string, unknown>>;

/** What the file says it is; an input error where Refrain has no such family. */
export function architectureOf(header: GgufHeader, file: string): Architecture {
  const name = header.metadata.get("general.architecture");
  const known = architectures.find((architecture) => architecture === name);
  if (known !== undefined) return known;
  throw inputError(
    "gguf-architecture",
    typeof name === "string"
      ? `${file}: the architecture ${quote(name)} is not one that Refrain runs.`
      : `${file}: the key "general.architecture" is missing`,
    `Refrain runs ${architectures.join(", ")} (Mistral, SmolLM and TinyLlama are "llama" here)`,
  );
}

/** The model's `config.json`, as far as the file tells. */
export function configFromGguf(header: GgufHeader, architecture: Architecture, file: string): ConfigRecord {
  const keys = new Keys(header, architecture, file);
  const schedule = header.metadata.get("refrain.schedule");
  return {
    ...(architecture === "gpt2" ? gpt2Config(keys) : llamaConfig(keys, architecture)),
    vocab_size: keys.embedding[0],
    tie_word_embeddings: !keys.hasTensor("output.weight"),
    ...keys.tokens(),
    ...(typeof schedule === "string" ? { refrain: { schedule } } : {}),
  };
}

function gpt2Config(keys: Keys): ConfigRecord {
  return {
    model_type: "gpt2",
    architectures: ["GPT2LMHeadModel"],
    n_embd: keys.embedding[1],
    n_layer: keys.count("block_count"),
    n_head: keys.count("attention.head_count"),
    n_positions: keys.count("context_length"),
    n_inner: keys.count("feed_forward_length"),
    layer_norm_epsilon: keys.number("attention.layer_norm_epsilon"),
    activation_function: "gelu_new",
  };
}

const hubClasses = {
  llama: "LlamaForCausalLM",
  mistral: "MistralForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
} as const;

function llamaConfig(keys: Keys, architecture: Exclude<Architecture, "gpt2">): ConfigRecord {
  const hidden = keys.embedding[1];
  const heads = keys.count("attention.head_count");
  const headSize = keys.count("attention.key_length", hidden / heads);
  keys.demand("expert_count", 0, "a mixture of experts");
  keys.demand("attention.value_length", headSize, "values of another width than keys");
  keys.demand("rope.dimension_count", headSize, "heads of which a part is rotated");
  const context = keys.count("context_length");
  // Only Mistral slides its window, and only where that is narrower than the context; Qwen's files name one that is off.
  const window = keys.number("attention.sliding_window", 0);
  const family = architecture === "llama" && window > 0 && window < context ? "mistral" : architecture;
  return {
    model_type: family,
    architectures: [hubClasses[family]],
    hidden_size: hidden,
    intermediate_size: keys.count("feed_forward_length"),
    num_hidden_layers: keys.count("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: keys.count("attention.head_count_kv", heads),
    head_dim: headSize,
    hidden_act: "silu",
    max_position_embeddings: context,
    rms_norm_eps: keys.number("attention.layer_norm_rms_epsilon"),
    rope_theta: keys.number("rope.freq_base", 10_000),
    ...ropeScaling(keys),
    ...(family === "mistral" ? { sliding_window: window } : {}),
    ...(family === "qwen2" ? {} : { attention_bias: keys.hasBlockTensor("attn_q.bias") }),
    ...(family === "llama" ? { mlp_bias: keys.hasBlockTensor("ffn_up.bias") } : {}),
  };
}

/** Llama 3's scaling is not among these: GGUF has it as the tensor `rope_freqs.weight`. */
function ropeScaling(keys: Keys): ConfigRecord {
  const type = keys.text("rope.scaling.type") ?? "none";
  if (type === "none") return {};
  const original = keys.number("rope.scaling.original_context_length", 0);
  return {
    rope_scaling: {
      rope_type: type,
      factor: keys.number("rope.scaling.factor"),
      ...(original === 0 ? {} : { original_max_position_embeddings: original }),
    },
  };
}

/** The metadata of one architecture, checked as it is asked for. */
class Keys {
  /** [vocabulary, hidden size] */
  readonly embedding: readonly [number, number];
  readonly #header: GgufHeader;
  readonly #architecture: string;
  readonly #file: string;
  readonly #tensorNames: ReadonlySet<string>;

  constructor(header: GgufHeader, architecture: string, file: string) {
    this.#header = header;
    this.#architecture = architecture;
    this.#file = file;
    this.#tensorNames = new Set(header.tensors.map((tensor) => tensor.name));
    const [vocabulary, hidden] = header.tensors.find((tensor) => tensor.name === "token_embd.weight")?.shape ?? [];
    if (vocabulary === undefined || hidden === undefined) {
      throw inputError(
        "gguf-no-model",
        `${file}: there is no matrix "token_embd.weight" in this file`,
        "It holds a vocabulary only, or one part of a model that was split: join the parts with llama-gguf-split --merge.",
      );
    }
    this.embedding = [vocabulary, hidden];
    if (this.count("embedding_length") !== hidden) {
      throw this.#error("embedding_length", `is not the width of "token_embd.weight", ${hidden}`);
    }
  }

  hasTensor(name: string): boolean {
    return this.#tensorNames.has(name);
  }

  /** Whether a block has it: the first need not, where a schedule plays half of it. */
  hasBlockTensor(name: string): boolean {
    return this.#header.tensors.some((tensor) => /^blk\.\d+\.(.+)$/.exec(tensor.name)?.[1] === name);
  }

  /** A positive integer (or `fallback`, where that is given and the key is not). */
  count(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw this.#error(key, "must be a positive integer");
  }

  /** A finite number; where the file has one for each layer, they must be equal. */
  number(key: string, fallback?: number): number {
    const value = this.#get(key) ?? fallback;
    if (value === undefined) {
      throw inputError("gguf-key", `${this.#file}: the key "${this.#architecture}.${key}" is missing`);
    }
    if (isNumberList(value)) {
      const [first, ...others] = value;
      if (first === undefined || others.some((other) => other !== first)) {
        throw this.#error(key, "differs from layer to layer, which no model family of Refrain has");
      }
      return Number(first);
    }
    if (typeof value !== "number" || !Number.isFinite(value)) throw this.#error(key, "must be a number");
    return shortest(value);
  }

  text(key: string): string | undefined {
    const value = this.#get(key);
    if (value === undefined || typeof value === "string") return value;
    throw this.#error(key, "must be a string");
  }

  /** Refuses a file in which `key` stands and is not what every model of ours has. */
  demand(key: string, expected: number, otherwise: string): void {
    if (this.number(key, expected) === expected) return;
    throw this.#error(key, `means ${otherwise}, which no model family of Refrain has`);
  }

  tokens(): ConfigRecord {
    const record: Record<string, unknown> = {};
    for (const [key, stored] of [
      ["bos_token_id", "tokenizer.ggml.bos_token_id"],
      ["eos_token_id", "tokenizer.ggml.eos_token_id"],
    ] as const) {
      const value = this.#header.metadata.get(stored);
      if (typeof value === "number") record[key] = value;
    }
    return record;
  }

  #get(key: string): GgufValue | undefined {
    return this.#header.metadata.get(`${this.#architecture}.${key}`);
  }

  #error(key: string, fault: string): Error {
    const value = this.#get(key);
    const shown = typeof value === "string" ? quote(value) : String(value ?? "missing").slice(0, 60);
    return inputError("gguf-key", `${this.#file}: the key "${this.#architecture}.${key}" (${shown}) ${fault}`);
  }
}

function isNumberList(value: GgufValue): value is NumberArray {
  return ArrayBuffer.isView(value);
}

/** 1e-5 for the f32 9.999999747378752e-6: the shortest decimal that names the same f32. */
function shortest(value: number): number {
  if (Number.isInteger(value) || Math.fround(value) !== value) return value;
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}
