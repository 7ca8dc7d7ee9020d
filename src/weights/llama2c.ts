/**
 * Opens a checkpoint of karpathy/llama2.c (`.bin`): a few integers, then every tensor as f32 in a fixed order, all layers of
 * a kind together. Facts from that project's export.py and run.c:
 *
 *     version 0  28 bytes: dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size (negative: its own output matrix),
 *                seq_len as int32; ends with two tables of the rotary embedding, which nobody reads any more
 *     version 1  256 bytes: "ak42", 1, the same seven, a byte that is 0 for an output matrix of its own; norms first
 *     version 2  8-bit groups of its own kind with f32 scales: refused
 *
 * There is no other check than the size: it must be what the header asks for, to the byte. Rotary heads are interleaved.
 */
import { dirname, join } from "node:path";
import { inputError, RefrainError } from "../errors.ts";
import { ByteCursor } from "./byte-cursor.ts";
import type { ByteSource } from "./byte-source.ts";
import type { Checkpoint, StoredTensor } from "./checkpoint.ts";
import { openFile, readSmallFile } from "./node-file.ts";
import { tensorReader } from "./tensor-reader.ts";

const maxLayers = 4096;
/** The tokenizer of Llama 2, the largest that the project knows, takes 434 kB. */
const maxTokenizerBytes = 64 << 20;

interface Header {
  readonly version: 0 | 1;
  readonly dim: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocabulary: number;
  readonly context: number;
  /** The output matrix is the embedding. */
  readonly tied: boolean;
  /** Where the tensors begin. */
  readonly byteLength: number;
}

/**
 * The model in a llama2.c file. Its vocabulary is `tok<vocab_size>.bin` or `tokenizer.bin` beside it, if there is one.
 * Errors: those of `openFile`, `llama2c-truncated`, `llama2c-version`, `llama2c-header`, `llama2c-size`.
 */
export async function openLlama2c(path: string): Promise<Checkpoint> {
  const file = await openFile(path);
  try {
    return await llama2cCheckpoint(file, (vocabulary) => findTokenizer(dirname(path), vocabulary));
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The same for any source of bytes; closing the checkpoint closes the source. */
export async function llama2cCheckpoint(
  source: ByteSource,
  tokenizer: (vocabSize: number) => Promise<Uint8Array | undefined> = async () => undefined,
): Promise<Checkpoint> {
  const header = await readHeader(source);
  checkSize(header, source);
  const tensors = new Map<string, StoredTensor>();
  const places = new Map<string, { file: ByteSource; begin: number }>();
  let begin = header.byteLength;
  for (const { name, storedName, shape, interleavedHeads } of tensorsOf(header)) {
    const byteLength = 4 * product(shape);
    if (name !== undefined) {
      const interleaved = interleavedHeads === undefined ? {} : { interleavedHeads };
      tensors.set(name, { name, storedName, type: "F32", shape, byteLength, ...interleaved });
      places.set(name, { file: source, begin });
    }
    begin += byteLength;
  }
  return {
    format: "llama2.c",
    path: source.name,
    config: configOf(header),
    tensors,
    vocabulary: async () => {
      const bytes = await tokenizer(header.vocabulary);
      return bytes && { kind: "llama2.c", bytes, vocabSize: header.vocabulary };
    },
    ...tensorReader((name) => places.get(name)),
    close: () => source.close(),
  };
}

async function readHeader(source: ByteSource): Promise<Header> {
  const cursor = new ByteCursor(source, "llama2c", 256);
  await cursor.need(28, "the header");
  const first = cursor.u32();
  const version = first === 0x616b3432 ? cursor.i32() : 0;
  if (version !== 0 && version !== 1) {
    throw inputError(
      "llama2c-version",
      `${source.name}: version ${version} of llama2.c's format (byte 4); versions 0 and 1 are read`,
      "Export the model again with --version 1 (or 0) of llama2.c's export.py; version 2 has 8-bit groups of its own kind.",
    );
  }
  if (version === 1) await cursor.need(29, "the header");
  const dim = version === 1 ? cursor.i32() : first | 0;
  const [hidden, layers, heads, kvHeads, vocabulary, context] = Array.from({ length: 6 }, () => cursor.i32()) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const tied = version === 1 ? cursor.u8() !== 0 : vocabulary > 0;
  const header: Header = {
    version,
    dim,
    hidden,
    layers,
    heads,
    kvHeads,
    vocabulary: version === 0 ? Math.abs(vocabulary) : vocabulary,
    context,
    tied,
    byteLength: version === 1 ? 256 : 28,
  };
  checkHeader(header, source.name);
  return header;
}

function checkHeader(header: Header, file: string): void {
  const { dim, hidden, layers, heads, kvHeads, vocabulary, context } = header;
  const sizes = {
    dim,
    hidden_dim: hidden,
    n_layers: layers,
    n_heads: heads,
    n_kv_heads: kvHeads,
    vocab_size: vocabulary,
  };
  const refuse = (fault: string) =>
    inputError(
      "llama2c-header",
      `${file}: ${fault}`,
      "A .bin of llama2.c begins with seven integers; this file is damaged or of another format.",
    );
  for (const [name, value] of Object.entries({ ...sizes, seq_len: context })) {
    if (value < 1) throw refuse(`${name} in the header is ${value}`);
  }
  if (layers > maxLayers) throw refuse(`n_layers in the header is ${layers}; at most ${maxLayers} are read`);
  if (heads % kvHeads !== 0) throw refuse(`the header has ${heads} heads for ${kvHeads} key and value heads`);
  if (dim % (2 * heads) !== 0) throw refuse(`the header's dim, ${dim}, is not ${heads} heads of an even width`);
}

function checkSize(header: Header, source: ByteSource): void {
  // Seven numbers below 2^31: their products need bigints.
  let floats = 0n;
  for (const { shape, count } of groupsOf(header)) {
    floats += shape.reduce((elements, dimension) => elements * BigInt(dimension), BigInt(count));
  }
  const expected = BigInt(header.byteLength) + 4n * floats;
  if (expected === BigInt(source.size)) return;
  const { dim, hidden, layers, heads, kvHeads, vocabulary, context } = header;
  throw inputError(
    "llama2c-size",
    `${source.name}: the header (version ${header.version}: dim ${dim}, hidden_dim ${hidden}, ${layers} layers, ${heads} heads, ` +
      `${kvHeads} kv heads, vocabulary ${vocabulary}, context ${context}) asks for ${expected} bytes, the file has ${source.size}`,
    "The file is incomplete, or not of llama2.c.",
  );
}

/** Tensors of one kind, which stand together: one, or one for each layer. */
interface Group {
  /** In the file's own words, those of llama2.c's run.c. */
  readonly stored: string;
  /** The Hugging Face name, `*` for the layer; undefined for what is skipped. */
  readonly name: string | undefined;
  readonly shape: readonly number[];
  readonly count: number;
  readonly interleavedHeads?: number;
}

function groupsOf(header: Header): Group[] {
  const { version, dim, hidden, layers, heads, kvHeads, vocabulary, context, tied } = header;
  const kv = (dim / heads) * kvHeads;
  const one = (stored: string, name: string | undefined, ...shape: number[]): Group => ({
    stored,
    name,
    shape,
    count: 1,
  });
  const each = (stored: string, name: string, ...shape: number[]): Group => ({
    stored,
    name: `model.layers.*.${name}.weight`,
    shape,
    count: layers,
  });
  const embedding = one("token_embedding_table", "model.embed_tokens.weight", vocabulary, dim);
  const attentionNorm = each("rms_att_weight", "input_layernorm", dim);
  const ffnNorm = each("rms_ffn_weight", "post_attention_layernorm", dim);
  const finalNorm = one("rms_final_weight", "model.norm.weight", dim);
  const attention = [
    { ...each("wq", "self_attn.q_proj", dim, dim), interleavedHeads: heads },
    { ...each("wk", "self_attn.k_proj", kv, dim), interleavedHeads: kvHeads },
    each("wv", "self_attn.v_proj", kv, dim),
    each("wo", "self_attn.o_proj", dim, dim),
  ];
  const ffn = [
    each("w1", "mlp.gate_proj", hidden, dim),
    each("w2", "mlp.down_proj", dim, hidden),
    each("w3", "mlp.up_proj", hidden, dim),
  ];
  const output = tied ? [] : [one("wcls", "lm_head.weight", vocabulary, dim)];
  if (version === 1) return [attentionNorm, ffnNorm, finalNorm, embedding, ...attention, ...ffn, ...output];
  const half = dim / heads / 2;
  const tables = [one("freq_cis_real", undefined, context, half), one("freq_cis_imag", undefined, context, half)];
  return [embedding, attentionNorm, ...attention, ffnNorm, ...ffn, finalNorm, ...tables, ...output];
}

/** Every tensor, in the order of the file. Called once the size is known to be right, which bounds their number. */
function* tensorsOf(header: Header) {
  for (const { stored, name, shape, count, interleavedHeads } of groupsOf(header)) {
    for (let layer = 0; layer < count; layer++) {
      const storedName = name?.includes("*") ? `${stored}[${layer}]` : stored;
      yield { name: name?.replace("*", String(layer)), storedName, shape, interleavedHeads };
    }
  }
}

function configOf(header: Header): Readonly<Record<string, unknown>> {
  return {
    model_type: "llama",
    architectures: ["LlamaForCausalLM"],
    hidden_size: header.dim,
    intermediate_size: header.hidden,
    num_hidden_layers: header.layers,
    num_attention_heads: header.heads,
    num_key_value_heads: header.kvHeads,
    head_dim: header.dim / header.heads,
    hidden_act: "silu",
    max_position_embeddings: header.context,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    vocab_size: header.vocabulary,
    tie_word_embeddings: header.tied,
    attention_bias: false,
    mlp_bias: false,
    // llama2.c begins every text with 1 and stops where it comes again: its models are trained on texts in a row.
    bos_token_id: 1,
    eos_token_id: [1, 2],
  };
}

async function findTokenizer(folder: string, vocabulary: number): Promise<Uint8Array | undefined> {
  for (const name of [`tok${vocabulary}.bin`, "tokenizer.bin"]) {
    try {
      return await readSmallFile(join(folder, name), maxTokenizerBytes);
    } catch (error) {
      if (!RefrainError.is(error) || error.code !== "file-missing") throw error;
    }
  }
  return undefined;
}

function product(shape: readonly number[]): number {
  return shape.reduce((elements, dimension) => elements * dimension, 1);
}
