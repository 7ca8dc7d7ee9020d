import { afterAll, describe, expect, it } from "vitest";
import { smolLM2Path } from "../../test/data.ts";
import { fixturePath } from "../../test/fixtures.ts";
import { bytesSource } from "./byte-source.ts";
import type { Checkpoint, StoredTensor } from "./checkpoint.ts";
import { dequantize } from "./dequantize.ts";
import { ggufBytes, zeros } from "./gguf.testing.ts";
import { ggufCheckpoint } from "./gguf.ts";
import type { GgufEntry, TensorToWrite } from "./gguf-write.ts";
import { openHuggingFace } from "./huggingface.ts";
import { openCheckpoint } from "./open.ts";
import type { TextList } from "./text-list.ts";

const opened: Checkpoint[] = [];
afterAll(() => Promise.all(opened.map((checkpoint) => checkpoint.close())));

async function keep(opening: Promise<Checkpoint>): Promise<Checkpoint> {
  const checkpoint = await opening;
  opened.push(checkpoint);
  return checkpoint;
}

/** Shape and values of a tensor as its Hugging Face name means them: heads in halves, nothing transposed. */
async function valuesOf(
  checkpoint: Checkpoint,
  tensor: StoredTensor,
): Promise<{ shape: number[]; values: Float32Array }> {
  const [rows = 1, columns = 1] = tensor.shape;
  const stored = new Float32Array(rows * columns);
  dequantize(tensor.type, await checkpoint.read(tensor, 0, tensor.byteLength), stored);
  const values = new Float32Array(stored.length);
  const half = rows / (tensor.interleavedHeads ?? rows) / 2;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let from = row;
      if (tensor.interleavedHeads !== undefined) {
        const inHead = row % (2 * half);
        from = row - inHead + 2 * (inHead % half) + Math.floor(inHead / half);
      }
      const to = tensor.transposed ? column * rows + row : row * columns + column;
      values[to] = stored[from * columns + column]!;
    }
  }
  return { shape: tensor.transposed ? [...tensor.shape].reverse() : [...tensor.shape], values };
}

describe("a GGUF is the same model as the folder that it was made from", () => {
  const llamaKeys = [
    ...["model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"],
    ...["num_key_value_heads", "head_dim", "hidden_act", "max_position_embeddings", "rms_norm_eps"],
    ...["tie_word_embeddings", "bos_token_id", "eos_token_id", "architectures"],
  ];
  const models: Record<string, readonly string[]> = {
    "llama-gqa": [...llamaKeys, "attention_bias", "mlp_bias"],
    "llama-bias": [...llamaKeys, "attention_bias", "mlp_bias"],
    "llama3-rope": llamaKeys,
    "llama-linear-rope": llamaKeys,
    mistral: [...llamaKeys, "sliding_window"],
    qwen2: llamaKeys.filter((key) => key !== "head_dim"), // its folder leaves the width of heads to arithmetic
    qwen3: [...llamaKeys, "attention_bias"],
    gpt2: [
      ...["model_type", "vocab_size", "n_embd", "n_layer", "n_head", "n_positions", "layer_norm_epsilon"],
      ...["activation_function", "tie_word_embeddings", "bos_token_id", "eos_token_id", "architectures"],
    ],
  };

  describe.each(Object.keys(models))("%s", (name) => {
    it("config", async () => {
      const ours = await keep(openCheckpoint(fixturePath(`gguf/${name}.gguf`)));
      const theirs = await keep(openHuggingFace(fixturePath(`models/${name}`)));
      const pick = ({ config }: Checkpoint) => Object.fromEntries(models[name]!.map((key) => [key, config[key]]));
      expect(pick(ours)).toEqual(pick(theirs));
      if (name === "gpt2") return;
      const { rope_theta, rope_type, factor } = theirs.config.rope_parameters as Record<string, unknown>;
      expect(ours.config.rope_theta).toBe(rope_theta);
      expect(ours.config.rope_scaling).toEqual(rope_type === "linear" ? { rope_type, factor } : undefined);
    });

    it("tensors", async () => {
      const ours = await keep(openCheckpoint(fixturePath(`gguf/${name}.gguf`)));
      const theirs = await keep(openHuggingFace(fixturePath(`models/${name}`)));
      const names = [...ours.tensors.keys()].filter((tensor) => tensor !== "rope_freqs.weight");
      expect(names.sort()).toEqual([...theirs.tensors.keys()].sort());
      for (const [tensor, stored] of theirs.tensors) {
        const read = await valuesOf(ours, ours.tensors.get(tensor)!);
        expect(read, tensor).toEqual(await valuesOf(theirs, stored));
      }
    });
  });

  it("llama3-rope: the factors of its frequencies are a tensor", async () => {
    const checkpoint = await keep(openCheckpoint(fixturePath("gguf/llama3-rope.gguf")));
    const tensor = checkpoint.tensors.get("rope_freqs.weight")!;
    expect(tensor).toMatchObject({ type: "F32", shape: [8] });
    const { values } = await valuesOf(checkpoint, tensor);
    expect(values[0]).toBe(1);
    expect(values[7]).toBe(8);
  });

  it("llama-gqa: its vocabulary is what stands in the file", async () => {
    const vocabulary = await (await keep(openCheckpoint(fixturePath("gguf/llama-gqa.gguf")))).vocabulary();
    expect(vocabulary).toMatchObject({ kind: "gguf" });
    const { metadata } = vocabulary as { metadata: ReadonlyMap<string, unknown> };
    expect([...metadata.keys()].every((key) => key.startsWith("tokenizer."))).toBe(true);
    expect((metadata.get("tokenizer.ggml.tokens") as TextList).text(130)).toBe("t130");
    expect((metadata.get("tokenizer.ggml.scores") as Float32Array)[130]).toBe(-130);
  });
});

/** A model of two blocks, 8 wide, with two heads: enough for the header. */
const metadata = {
  "general.architecture": ["string", "llama"],
  "llama.block_count": ["u32", 2],
  "llama.context_length": ["u32", 64],
  "llama.embedding_length": ["u32", 8],
  "llama.feed_forward_length": ["u32", 16],
  "llama.attention.head_count": ["u32", 2],
  "llama.attention.layer_norm_rms_epsilon": ["f32", 1e-5],
} satisfies Record<string, GgufEntry>;

async function open(changes: Record<string, GgufEntry | undefined>, ...tensors: TensorToWrite[]): Promise<Checkpoint> {
  const entries = Object.entries({ ...metadata, ...changes }).filter(([, entry]) => entry !== undefined);
  const bytes = await ggufBytes(Object.fromEntries(entries) as Record<string, GgufEntry>, [
    zeros("token_embd.weight", 10, 8),
    ...tensors,
  ]);
  return ggufCheckpoint(bytesSource("model.gguf", bytes));
}

describe("metadata", () => {
  it("has defaults where the format has them", async () => {
    expect((await open({})).config).toMatchObject({
      model_type: "llama",
      num_key_value_heads: 2,
      head_dim: 4,
      rope_theta: 10_000,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: true,
      attention_bias: false,
    });
    expect(await (await open({})).vocabulary()).toBeUndefined();
  });

  it("may repeat a number for each layer", async () => {
    const each = { "llama.attention.head_count_kv": ["array", "i32", [1, 1]] } satisfies Record<string, GgufEntry>;
    expect((await open(each)).config.num_key_value_heads).toBe(1);
  });

  it("brings a schedule", async () => {
    const { config } = await open({ "refrain.schedule": ["string", "each(0-1)x2"] });
    expect(config.refrain).toEqual({ schedule: "each(0-1)x2" });
  });

  it("keeps a scaling that it does not know, for the model to refuse", async () => {
    const { config } = await open({
      "llama.rope.scaling.type": ["string", "yarn"],
      "llama.rope.scaling.factor": ["f32", 4],
      "llama.rope.scaling.original_context_length": ["u32", 32],
    });
    expect(config.rope_scaling).toEqual({ rope_type: "yarn", factor: 4, original_max_position_embeddings: 32 });
  });

  it("an output matrix unties the embeddings", async () => {
    expect((await open({}, zeros("output.weight", 10, 8))).config.tie_word_embeddings).toBe(false);
  });

  it.each<[what: string, code: string, message: RegExp, changes: Record<string, GgufEntry | undefined>]>([
    [
      "no architecture",
      "gguf-architecture",
      /"general.architecture" is missing/,
      { "general.architecture": undefined },
    ],
    [
      "an architecture that we do not run",
      "gguf-architecture",
      /"mamba"/,
      { "general.architecture": ["string", "mamba"] },
    ],
    ["a missing key", "gguf-key", /"llama.context_length" is missing/, { "llama.context_length": undefined }],
    [
      "a text for a number",
      "gguf-key",
      /"llama.block_count" \("2"\) must be a number/,
      { "llama.block_count": ["string", "2"] },
    ],
    ["NaN", "gguf-key", /\(NaN\) must be a number/, { "llama.rope.freq_base": ["f32", Number.NaN] }],
    ["no blocks", "gguf-key", /"llama.block_count" \(0\) must be a positive/, { "llama.block_count": ["u32", 0] }],
    [
      "half a head",
      "gguf-key",
      /key_length" \(missing\) must be a positive/,
      { "llama.attention.head_count": ["u32", 3] },
    ],
    ["another width", "gguf-key", /\(12\) is not the width of .*, 8/, { "llama.embedding_length": ["u32", 12] }],
    ["experts", "gguf-key", /\(8\) means a mixture of experts/, { "llama.expert_count": ["u32", 8] }],
    ["half-rotated heads", "gguf-key", /\(2\) means heads of which/, { "llama.rope.dimension_count": ["u32", 2] }],
    ["wide values", "gguf-key", /\(8\) means values of/, { "llama.attention.value_length": ["u32", 8] }],
    [
      "layers of different shapes",
      "gguf-key",
      /head_count_kv" \(1,2\) differs from layer to layer/,
      { "llama.attention.head_count_kv": ["array", "i32", [1, 2]] },
    ],
    [
      "a scaling without a number",
      "gguf-key",
      /scaling.type" \(1\) must be a string/,
      { "llama.rope.scaling.type": ["u32", 1] },
    ],
  ])("refused: %s", async (_what, code, message, changes) => {
    await expect(open(changes)).rejects.toMatchObject({ name: "RefrainError", kind: "input", code });
    await expect(open(changes)).rejects.toThrow(message);
  });
});

describe("tensors", () => {
  it.each([
    ["of no known name", "blk.0.ffn_gate_inp.weight"],
    ["of a block beyond the last", "blk.2.attn_norm.weight"],
    ["with a number that is written oddly", "blk.01.attn_norm.weight"],
    ["named like a property of every object", "toString"],
    ["with a part named like a property of every object", "blk.0.constructor.weight"],
  ])("refused: one %s", async (_what, name) => {
    await expect(open({}, zeros(name, 8))).rejects.toMatchObject({ kind: "input", code: "gguf-tensor-name" });
    await expect(open({}, zeros(name, 8))).rejects.toThrow(name);
  });

  it("refused: queries that are no whole heads", async () => {
    await expect(open({}, zeros("blk.0.attn_q.weight", 6, 8))).rejects.toMatchObject({ code: "gguf-tensor-shape" });
  });

  it("refused: no embedding", async () => {
    const bytes = await ggufBytes(metadata);
    await expect(ggufCheckpoint(bytesSource("vocab.gguf", bytes))).rejects.toMatchObject({ code: "gguf-no-model" });
  });

  it("cannot be read beyond their ends", async () => {
    const checkpoint = await open({});
    const tensor = checkpoint.tensors.get("model.embed_tokens.weight")!;
    expect((await checkpoint.read(tensor, 4, 320)).length).toBe(316);
    await expect(checkpoint.read(tensor, 0, 321)).rejects.toThrow(RangeError);
    await expect(checkpoint.read(tensor, -1, 4)).rejects.toThrow(RangeError);
  });
});

describe.skipIf(smolLM2Path() === undefined)("SmolLM2-135M-Instruct (needs test/fetch-models.mjs)", () => {
  it("opens from its header alone", async () => {
    const { config, tensors } = await keep(openCheckpoint(smolLM2Path()!));
    expect(config).toMatchObject({
      model_type: "llama",
      vocab_size: 49_152,
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      num_key_value_heads: 3,
      head_dim: 64,
      rms_norm_eps: 1e-5,
      rope_theta: 100_000,
      tie_word_embeddings: true,
    });
    expect(tensors.size).toBe(272);
    expect(tensors.get("model.layers.29.self_attn.k_proj.weight")).toMatchObject({
      storedName: "blk.29.attn_k.weight",
      type: "Q4_1",
      shape: [192, 576],
      byteLength: (192 * 576 * 20) / 32,
      interleavedHeads: 3,
    });
  });
});
