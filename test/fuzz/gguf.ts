/**
 * Damaged GGUF files, opened as a model would be. The corpus has every type of value and of tensor; all of it is small, so
 * that most of the damage falls on the header, which is all that is parsed.
 */
import { bytesSource } from "../../src/weights/byte-source.ts";
import { typeInfo } from "../../src/weights/dequantize.ts";
import { aligned, ggufBytes, pair, start, tensorEntry, u32, u64, zeros } from "../../src/weights/gguf.testing.ts";
import { ggufCheckpoint } from "../../src/weights/gguf.ts";
import { otherTensorTypes, tensorTypes, valueTypes } from "../../src/weights/gguf-types.ts";
import type { GgufEntry } from "../../src/weights/gguf-write.ts";
import type { Target } from "./fuzz.ts";
import { type Random, seededRandom, words } from "./mutate.ts";

const llama = {
  "general.architecture": ["string", "llama"],
  "general.alignment": ["u32", 32],
  "llama.block_count": ["u32", 1],
  "llama.context_length": ["u32", 64],
  "llama.embedding_length": ["u32", 8],
  "llama.feed_forward_length": ["u32", 16],
  "llama.attention.head_count": ["u32", 2],
  "llama.attention.head_count_kv": ["array", "i32", [1, 1]],
  "llama.attention.layer_norm_rms_epsilon": ["f32", 1e-5],
  "llama.rope.scaling.type": ["string", "linear"],
  "llama.rope.scaling.factor": ["f64", 2],
  "tokenizer.ggml.tokens": ["array", "string", ["", "a", "é", "🦙"]],
  "tokenizer.ggml.scores": ["array", "f32", [0, -1, -2, -3]],
  "tokenizer.ggml.eos_token_id": ["i64", 2],
  "tokenizer.ggml.add_bos_token": ["bool", true],
  "refrain.schedule": ["string", "0x2"],
} satisfies Record<string, GgufEntry>;

const llamaTensors = [
  zeros("token_embd.weight", 4, 8),
  zeros("blk.0.attn_q.weight", 8, 8),
  zeros("blk.0.attn_norm.weight", 8),
];

const gpt2 = {
  "general.architecture": ["string", "gpt2"],
  "gpt2.block_count": ["u64", 1],
  "gpt2.context_length": ["u16", 64],
  "gpt2.embedding_length": ["i16", 8],
  "gpt2.feed_forward_length": ["u8", 32],
  "gpt2.attention.head_count": ["i8", 2],
  "gpt2.attention.layer_norm_epsilon": ["f32", 1e-5],
} satisfies Record<string, GgufEntry>;

const gpt2Tensors = [zeros("token_embd.weight", 4, 8), zeros("blk.0.attn_qkv.weight", 24, 8)];

/** Tensors one after the other, now and then off their place, of any type and shape. */
function untidy(random: Random): Uint8Array {
  const types = [...tensorTypes];
  const count = 1 + random.below(4);
  let offset = 0;
  const entries = Array.from({ length: count }, (_, index) => {
    const [id, type] = types[random.below(types.length)]!;
    const { block, bytes } = typeInfo[type];
    const rows = 1 + random.below(3);
    offset += [-32, 32, 4][random.below(24)] ?? 0;
    const entry = tensorEntry(`t${index}`, [block, rows], id, Math.max(0, offset));
    offset = Math.ceil((offset + rows * bytes) / 32) * 32;
    return entry;
  });
  return aligned(start(count, 1), pair("general.file_type", 1), ...entries, new Uint8Array(offset + 32));
}

export const gguf: Target = {
  name: "gguf",
  material: {
    corpus: [
      ...Array<Uint8Array>(12).fill(await ggufBytes(llama, llamaTensors)),
      ...Array<Uint8Array>(6).fill(await ggufBytes(gpt2, gpt2Tensors)),
      await ggufBytes({}),
      ...Array.from({ length: 18 }, (_, seed) => untidy(seededRandom(seed))),
    ],
    dictionary: [
      ...words(
        "GGUF",
        "general.alignment",
        "general.architecture",
        "llama",
        "gpt2",
        "token_embd.weight",
        "blk.0.",
        "t1",
      ),
      ...valueTypes.map((_, id) => u32(id)),
      ...[...tensorTypes.keys(), ...otherTensorTypes.keys()].map(u32),
      ...[0, 1, 2, 8, 32, 2 ** 22, 2 ** 32, 2n ** 53n, 2n ** 60n, 2n ** 63n, 2n ** 64n - 1n].map(u64),
      pair("llama.block_count", 1),
    ],
  },
  // The magic number and the version, and counts below 65,536.
  repair: (bytes) => {
    bytes.set(start(0, 0).subarray(0, Math.min(8, bytes.length)));
    bytes.fill(0, 10, 16).fill(0, 18, 24);
  },
  read: async (bytes) => {
    const { tensors, read } = await ggufCheckpoint(bytesSource("fuzz.gguf", bytes));
    // What is accepted must be readable: every tensor in the file, and as long as its shape says.
    for (const tensor of tensors.values()) {
      const { block, bytes: blockBytes } = typeInfo[tensor.type];
      const elements = tensor.shape.reduce((product, dimension) => product * dimension, 1);
      const { length } = await read(tensor, 0, tensor.byteLength);
      if (length !== (elements / block) * blockBytes) throw new Error(`accepted ${tensor.name}, ${length} bytes`);
    }
  },
};
