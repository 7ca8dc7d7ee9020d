import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dataPath } from "../../test/data.ts";
import { bytesSource } from "./byte-source.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { small, version0, version1 } from "./llama2c.testing.ts";
import { llama2cCheckpoint, openLlama2c } from "./llama2c.ts";

const open = (bytes: Uint8Array) => llama2cCheckpoint(bytesSource("model.bin", bytes));

/** Floats of the small model, by kind of tensor. */
const embedding = 5 * 8;
const norms = 2 * 8;
const attention = 2 * (64 + 32 + 32 + 64);
const ffn = 2 * 3 * 96;
const tables = 2 * 3 * 2;
const untied = { ...small, vocabulary: -5 };
const floats0 = embedding + norms + attention + norms + ffn + 8 + tables;
const floats1 = embedding + norms + attention + norms + ffn + 8;

/** The first float of a tensor; in the small files that is how many floats stand before it. */
async function firstOf(checkpoint: Checkpoint, name: string): Promise<number> {
  const bytes = await checkpoint.read(checkpoint.tensors.get(name)!, 0, 4);
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
}

const names = (checkpoint: Checkpoint) => [...checkpoint.tensors.values()].map(({ storedName }) => storedName);

describe("version 0", () => {
  it("has the tensors of run.c, in its order", async () => {
    const checkpoint = await open(version0({ floats: floats0 }));
    const each = (name: string) => [`${name}[0]`, `${name}[1]`];
    expect(names(checkpoint)).toEqual([
      "token_embedding_table",
      ...["rms_att_weight", "wq", "wk", "wv", "wo", "rms_ffn_weight", "w1", "w2", "w3"].flatMap(each),
      "rms_final_weight",
    ]);
    expect(await firstOf(checkpoint, "model.embed_tokens.weight")).toBe(0);
    expect(await firstOf(checkpoint, "model.layers.1.input_layernorm.weight")).toBe(embedding + 8);
    expect(await firstOf(checkpoint, "model.layers.0.self_attn.q_proj.weight")).toBe(embedding + norms);
    expect(await firstOf(checkpoint, "model.layers.1.self_attn.v_proj.weight")).toBe(embedding + norms + 128 + 64 + 32);
    expect(await firstOf(checkpoint, "model.layers.0.mlp.down_proj.weight")).toBe(
      embedding + norms + attention + norms + 2 * 96,
    );
    expect(await firstOf(checkpoint, "model.norm.weight")).toBe(embedding + norms + attention + norms + ffn);
  });

  it("says which rows are interleaved, and shapes as [out, in]", async () => {
    const { tensors } = await open(version0({ floats: floats0 }));
    expect(tensors.get("model.layers.1.self_attn.q_proj.weight")).toMatchObject({ shape: [8, 8], interleavedHeads: 2 });
    expect(tensors.get("model.layers.1.self_attn.k_proj.weight")).toMatchObject({ shape: [4, 8], interleavedHeads: 1 });
    expect(tensors.get("model.layers.1.self_attn.v_proj.weight")).not.toHaveProperty("interleavedHeads");
    expect(tensors.get("model.layers.0.mlp.down_proj.weight")).toMatchObject({ shape: [8, 12], byteLength: 384 });
  });

  it("a negative vocabulary means an output matrix, behind the rotary tables", async () => {
    const checkpoint = await open(version0({ sizes: untied, floats: floats0 + embedding }));
    expect(checkpoint.config).toMatchObject({ vocab_size: 5, tie_word_embeddings: false });
    expect(await firstOf(checkpoint, "lm_head.weight")).toBe(floats0);
  });
});

describe("version 1", () => {
  it("has its norms first and no rotary tables", async () => {
    const checkpoint = await open(version1({ floats: floats1 }));
    expect(await firstOf(checkpoint, "model.layers.0.input_layernorm.weight")).toBe(0);
    expect(await firstOf(checkpoint, "model.layers.1.post_attention_layernorm.weight")).toBe(norms + 8);
    expect(await firstOf(checkpoint, "model.norm.weight")).toBe(2 * norms);
    expect(await firstOf(checkpoint, "model.embed_tokens.weight")).toBe(2 * norms + 8);
    expect(await firstOf(checkpoint, "model.layers.1.mlp.up_proj.weight")).toBe(floats1 - 96);
    expect(checkpoint.config.tie_word_embeddings).toBe(true);
  });

  it("may have an output matrix", async () => {
    const checkpoint = await open(version1({ floats: floats1 + embedding, tied: false }));
    expect(await firstOf(checkpoint, "lm_head.weight")).toBe(floats1);
  });
});

describe("refuses", () => {
  const with0 = (change: Partial<typeof small>) => version0({ sizes: { ...small, ...change }, floats: floats0 });
  const huge = 2 ** 31 - 1;

  it.each<[what: string, code: string, message: RegExp, bytes: Uint8Array]>([
    ["an empty file", "llama2c-truncated", /ends at byte 0/, new Uint8Array()],
    ["half a header", "llama2c-truncated", /ends at byte 20/, version0().subarray(0, 20)],
    ["half a header of version 1", "llama2c-truncated", /ends at byte 30/, version1().subarray(0, 30)],
    ["the 8-bit format", "llama2c-version", /version 2 /, version1({ version: 2 })],
    ["a version to come", "llama2c-version", /version 3 /, version1({ version: 3 })],
    [
      "a file that is too short",
      "llama2c-size",
      /asks for 4236 bytes, the file has 4232/,
      version0({ floats: floats0 - 1 }),
    ],
    [
      "a file that is too long",
      "llama2c-size",
      /asks for 4236 bytes, the file has 4240/,
      version0({ floats: floats0 + 1 }),
    ],
    ["version 1 that is too long", "llama2c-size", /\(version 1: dim 8/, version1({ floats: floats1 + 1 })],
    ["no layers", "llama2c-header", /n_layers in the header is 0/, with0({ layers: 0 })],
    ["a negative width", "llama2c-header", /hidden_dim in the header is -12/, with0({ hidden: -12 })],
    ["no vocabulary", "llama2c-header", /vocab_size in the header is 0/, with0({ vocabulary: 0 })],
    ["a negative vocabulary in version 1", "llama2c-header", /vocab_size .* -5/, version1({ sizes: untied })],
    ["two billion layers", "llama2c-header", /n_layers .* at most 4096/, with0({ layers: huge })],
    ["more kv heads than heads", "llama2c-header", /2 heads for 4 key and value/, with0({ kvHeads: 4 })],
    ["heads of half a number", "llama2c-header", /dim, 8, is not 8 heads of an even/, with0({ heads: 8 })],
    [
      "sizes whose product is beyond any number",
      "llama2c-size",
      /asks for \d{24} bytes/,
      with0({ dim: huge - 1, hidden: huge, heads: 1, layers: 4096, vocabulary: huge }),
    ],
    ["text", "llama2c-header", /n_layers/, new TextEncoder().encode("once upon a time there was a file")],
  ])("%s (%s)", async (_what, code, message, bytes) => {
    await expect(open(bytes)).rejects.toMatchObject({ name: "RefrainError", kind: "input", code });
    await expect(open(bytes)).rejects.toThrow(message);
    await expect(open(bytes)).rejects.toThrow("model.bin");
  });
});

describe("the tokenizer", () => {
  it.each([
    [["tok5.bin", "tokenizer.bin"], "tok5.bin"],
    [["tok7.bin", "tokenizer.bin"], "tokenizer.bin"],
    [["tok7.bin"], undefined],
  ])("of %j is %s", async (files, expected) => {
    const folder = await mkdtemp(join(tmpdir(), "refrain-llama2c-"));
    try {
      await writeFile(join(folder, "model.bin"), version0({ floats: floats0 }));
      for (const name of files) await writeFile(join(folder, name), name);
      const checkpoint = await openLlama2c(join(folder, "model.bin"));
      const vocabulary = await checkpoint.vocabulary();
      await checkpoint.close();
      expect(vocabulary).toEqual(
        expected && { kind: "llama2.c", bytes: new TextEncoder().encode(expected), vocabSize: 5 },
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

const stories = dataPath("models/stories260K/stories260K.bin");
describe.skipIf(stories === undefined)("stories260K (needs the shared test data)", () => {
  it("opens, with its vocabulary", async () => {
    const checkpoint = await openLlama2c(stories!);
    expect(checkpoint.config).toMatchObject({
      model_type: "llama",
      hidden_size: 64,
      intermediate_size: 172,
      num_hidden_layers: 5,
      num_attention_heads: 8,
      num_key_value_heads: 4,
      head_dim: 8,
      max_position_embeddings: 512,
      vocab_size: 512,
      tie_word_embeddings: true,
    });
    expect(checkpoint.tensors.size).toBe(5 * 9 + 2);
    let parameters = 0;
    for (const { byteLength } of checkpoint.tensors.values()) parameters += byteLength / 4;
    expect(parameters).toBe(260_032);
    expect(await checkpoint.vocabulary()).toMatchObject({ kind: "llama2.c", vocabSize: 512 });
    await checkpoint.close();
  });
});
