/** Models that do not fit together, or do not fit the machine: one clear refusal each, through the library's front door. */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nodeHost } from "../src/engine/wasm/node-host.ts";
import { WasmPlayer } from "../src/engine/wasm/player.ts";
import { load } from "../src/index.ts";
import { fixturePath } from "./fixtures.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-bad-"));
  await cp(fixturePath("models/llama-gqa"), folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

/** Changes keys of a JSON file; undefined removes one. */
async function change(file: string, changes: Readonly<Record<string, unknown>>): Promise<void> {
  const path = join(folder, file);
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), ...changes }));
}

/** A tokenizer of `count` pieces. */
async function tokenizerOf(count: number): Promise<void> {
  const vocab = Object.fromEntries(Array.from({ length: count }, (_, id) => [`piece${id}`, id]));
  const json = { model: { type: "BPE", vocab, merges: [] }, decoder: { type: "ByteLevel" } };
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(json));
}

const refusal = async () =>
  load(folder).then(
    (model) => model.dispose().then(() => "loaded"),
    (error: { code: string; message: string; help?: string }) => `${error.code}: ${error.message}`,
  );

describe("a model that does not fit together", () => {
  it("a tokenizer with more ids than the model has embeddings", async () => {
    const { vocab_size } = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    await tokenizerOf(vocab_size + 3);
    expect(await refusal()).toMatch(
      `tokenizer-mismatch: ${folder}: the tokenizer has ids up to ${vocab_size + 2}, the model ${vocab_size} embeddings`,
    );
    await tokenizerOf(vocab_size - 3);
    expect(await refusal()).toBe("loaded");
  });

  it("a config that promises more blocks than the weights have", async () => {
    await change("config.json", { num_hidden_layers: 40 });
    expect(await refusal()).toMatch(/^tensor-missing: .*model\.layers\.\d+\.input_layernorm\.weight is missing/);
  });

  it("a config that says that the head is a matrix of its own", async () => {
    await change("config.json", { tie_word_embeddings: false });
    expect(await refusal()).toMatch(/lm_head\.weight is missing \(its config says that embeddings are not tied\)/);
  });

  it("a config of other shapes than the weights", async () => {
    await change("config.json", { intermediate_size: 96 });
    expect(await refusal()).toMatch(/^tensor-shape: .*gate_proj\.weight: expected shape \[96, \d+\].*got \[\d+, \d+\]/);
  });

  it("a schedule in the config that plays a block which is not there", async () => {
    await change("config.json", { refrain: { schedule: "0 17" } });
    expect(await refusal()).toMatch(/^schedule-block: .*no block 17/s);
  });

  it("no tokenizer, where text is asked for", async () => {
    const model = await load(folder);
    expect(() => model.needTokenizer()).toThrow(/has no tokenizer/);
    await model.dispose();
  });
});

describe("a model that does not fit the machine", () => {
  it("more than WebAssembly can address is refused with the figures, and nothing is taken", async () => {
    const player = await WasmPlayer.create(nodeHost, { threads: 1 });
    const before = player.memory.buffer.byteLength;
    expect(() => player.allocate(5e9, "weights")).toThrow(/weights: 5\.00 GB do not fit the 4\.29 GB/);
    expect(player.memory.buffer.byteLength).toBe(before);
    await player.close();
  });

  it("a number of threads that is none", async () => {
    await expect(load(folder, { threads: 0 })).rejects.toMatchObject({ code: "threads" });
  });

  it("a context longer than the model was made for", async () => {
    await expect(load(folder, { contextLength: 1e6 })).rejects.toMatchObject({ code: "context" });
  });
});
