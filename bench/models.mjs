/**
 * The random models that are measured: the blocks of SmolLM2-135M (576 wide, 1,536 hidden, 9 heads of 64, 3 of them keys
 * and values; thirty make 106M parameters), written once as GGUF, so that every engine plays the same file. The vocabulary has
 * 512 entries: what is compared is the blocks, not the projection to the vocabulary.
 */
import { existsSync } from "node:fs";
import { mkdir, open, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { writeGguf } from "../dist/weights/gguf-write.js";
import { quantizeQ4_0, quantizeQ8_0 } from "../dist/weights/quantize.js";
import { decoderFromGguf } from "./onnx/decoder.mjs";

const WIDTH = 576;
const HIDDEN = 1536;
const HEADS = 9;
const KV_HEADS = 3;
const HEAD = 64;
const VOCABULARY = 512;

const formats = {
  q4: { type: "Q4_0", blockBytes: 18, quantize: quantizeQ4_0, fileType: 2 },
  q8: { type: "Q8_0", blockBytes: 34, quantize: quantizeQ8_0, fileType: 7 },
};

/**
 * Path of the model with that many unique blocks; writes it where it is missing.
 * @param {number} blocks
 * @param {"q4" | "q8"} type
 */
export async function randomModel(blocks, type) {
  const path = join(cacheFolder(), `${nameOf(blocks, type)}.gguf`);
  if (existsSync(path)) return path;
  console.error(`writing ${path}`);
  await mkdir(cacheFolder(), { recursive: true });
  const file = await open(`${path}.partial`, "w");
  for await (const chunk of writeGguf(metadata(blocks, formats[type].fileType), tensors(blocks, formats[type]))) {
    await file.writeFile(chunk);
  }
  await file.close();
  await rename(`${path}.partial`, path);
  return path;
}

/**
 * Path of the .onnx file with the weights of `randomModel(blocks, type)`, whose graph plays every block so often, in a folder as
 * transformers.js wants it; writes it where it is missing.
 * @param {number} blocks
 * @param {"q4" | "q8"} type
 * @param {number} plays
 * @param {boolean} dynamic the weights rounded again, to 8 bits a row: see onnx/dynamic.mjs
 */
export async function randomOnnx(blocks, type, plays = 1, dynamic = false) {
  const folder = join(cacheFolder(), `${nameOf(blocks, type)}-onnx-x${plays}${dynamic ? "-dynamic" : ""}`);
  const path = join(folder, "onnx", "model.onnx");
  if (existsSync(path)) return path;
  const gguf = await randomModel(blocks, type);
  console.error(`writing ${path}`);
  await mkdir(join(folder, "onnx"), { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(onnxConfig(blocks * plays)));
  await writeFile(`${path}.partial`, await decoderFromGguf(gguf, plays, dynamic));
  await rename(`${path}.partial`, path);
  return path;
}

/** SmolLM2-135M-Instruct, where the tests keep it (`REFRAIN_TEST_CACHE`), or undefined. */
export function smolLM2Path() {
  const folder = process.env.REFRAIN_TEST_CACHE ?? join(homedir(), ".cache", "refrain-test");
  const path = join(folder, "SmolLM2-135M-Instruct.Q4_1.gguf");
  return existsSync(path) ? path : undefined;
}

const cacheFolder = () => process.env.REFRAIN_BENCH_CACHE ?? join(homedir(), ".cache", "refrain-bench");
const nameOf = (blocks, type) => `llama-${WIDTH}x${blocks}-${type}-v1`;

/** What transformers.js reads of a model: its class, and the sizes of the cache. */
function onnxConfig(steps) {
  return {
    model_type: "llama",
    architectures: ["LlamaForCausalLM"],
    hidden_size: WIDTH,
    intermediate_size: HIDDEN,
    num_hidden_layers: steps,
    num_attention_heads: HEADS,
    num_key_value_heads: KV_HEADS,
    head_dim: HEAD,
    vocab_size: VOCABULARY,
    bos_token_id: 1,
    eos_token_id: 2,
  };
}

function metadata(blocks, fileType) {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const special = ["<unk>", "<s>", "</s>"];
  const words = Array.from({ length: VOCABULARY - bytes.length - special.length }, (_, i) => `word${i}`);
  return new Map([
    ["general.architecture", ["string", "llama"]],
    ["general.name", ["string", `random, ${blocks} blocks`]],
    ["general.file_type", ["u32", fileType]],
    ["llama.block_count", ["u32", blocks]],
    ["llama.context_length", ["u32", 2048]],
    ["llama.embedding_length", ["u32", WIDTH]],
    ["llama.feed_forward_length", ["u32", HIDDEN]],
    ["llama.attention.head_count", ["u32", HEADS]],
    ["llama.attention.head_count_kv", ["u32", KV_HEADS]],
    ["llama.attention.layer_norm_rms_epsilon", ["f32", 1e-5]],
    ["llama.rope.freq_base", ["f32", 10000]],
    ["llama.vocab_size", ["u32", VOCABULARY]],
    ["tokenizer.ggml.model", ["string", "llama"]],
    ["tokenizer.ggml.tokens", ["array", "string", [...special, ...bytes, ...words]]],
    ["tokenizer.ggml.scores", ["array", "f32", Array.from({ length: VOCABULARY }, (_, i) => -i)]],
    // Unknown, control, bytes, ordinary.
    ["tokenizer.ggml.token_type", ["array", "i32", [2, 3, 3, ...bytes.map(() => 6), ...words.map(() => 1)]]],
    ["tokenizer.ggml.bos_token_id", ["u32", 1]],
    ["tokenizer.ggml.eos_token_id", ["u32", 2]],
  ]);
}

function tensors(blocks, { type, blockBytes, quantize }) {
  const random = generator(blocks);
  const matrix = (name, rows, columns) => ({ name, type, shape: [rows, columns], data: matrixBytes(rows, columns) });
  const norm = (name) => ({
    name,
    type: "F32",
    shape: [WIDTH],
    data: [new Uint8Array(new Float32Array(WIDTH).fill(1).buffer)],
  });
  /** Row by row. Variance 1 / columns, so that activations keep their size. */
  function* matrixBytes(rows, columns) {
    const values = new Float32Array(columns);
    const scale = 2 * Math.sqrt(3 / columns);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) values[c] = (random() - 0.5) * scale;
      const out = new Uint8Array((columns / 32) * blockBytes);
      quantize(values, out);
      yield out;
    }
  }
  const block = (i) => [
    norm(`blk.${i}.attn_norm.weight`),
    matrix(`blk.${i}.attn_q.weight`, HEADS * HEAD, WIDTH),
    matrix(`blk.${i}.attn_k.weight`, KV_HEADS * HEAD, WIDTH),
    matrix(`blk.${i}.attn_v.weight`, KV_HEADS * HEAD, WIDTH),
    matrix(`blk.${i}.attn_output.weight`, WIDTH, HEADS * HEAD),
    norm(`blk.${i}.ffn_norm.weight`),
    matrix(`blk.${i}.ffn_gate.weight`, HIDDEN, WIDTH),
    matrix(`blk.${i}.ffn_up.weight`, HIDDEN, WIDTH),
    matrix(`blk.${i}.ffn_down.weight`, WIDTH, HIDDEN),
  ];
  return [
    matrix("token_embd.weight", VOCABULARY, WIDTH),
    ...Array.from({ length: blocks }, (_, i) => block(i)).flat(),
    norm("output_norm.weight"),
  ];
}

/** Numbers in [0, 1), the same on every machine: xorshift32 (Marsaglia 2003). */
function generator(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
