import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { dataPath, smolLM2Path } from "../../test/data.ts";
import { parseConfig } from "../model/config.ts";
import { gpt2 } from "../model/gpt2.ts";
import { entry, safetensorsBytes } from "../weights/safetensors.testing.ts";
import { commandLine } from "./terminal.testing.ts";

/** Whatever profile of a device the user has. */
beforeAll(() => {
  vi.stubEnv("XDG_CACHE_HOME", join(tmpdir(), "refrain-no-cache"));
  vi.stubEnv("REFRAIN_DEVICE_PROFILE", undefined);
});
afterAll(() => {
  vi.unstubAllEnvs();
});

const inspect = (...words: string[]) => commandLine(["inspect", ...words]);
const fixture = (name: string) => join(import.meta.dirname, "../../test/fixtures", name);

/** A column of a printed table: the cells under a title, by the first cell of their line. */
function rowOf(out: string, name: string): string[] {
  const line = out.split("\n").find((text) => text.startsWith(`${name}  `));
  return line?.slice(name.length).trim().split(/ {2,}/) ?? [];
}

describe("inspect of a model as large as GPT-2", () => {
  const config = { model_type: "gpt2", vocab_size: 50257, n_embd: 768, n_layer: 12, n_head: 12, n_positions: 1024 };
  let folder: string;

  /** All its tensors, in a file whose data is a hole that takes no space. */
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "refrain-inspect-"));
    const parsed = parseConfig(config, "config.json");
    const parameters = [...gpt2.outer(parsed), ...Array.from({ length: 12 }, (_, i) => gpt2.block(parsed, i)).flat()];
    let end = 0;
    const header = Object.fromEntries(
      parameters.map(({ name, kind, rows, columns, transposed }) => {
        const shape = kind === "vector" ? [columns] : transposed ? [columns, rows] : [rows, columns];
        const begin = end;
        end += 4 * rows * columns;
        return [name, entry("F32", shape, begin, end)];
      }),
    );
    const start = safetensorsBytes(header);
    await writeFile(join(folder, "config.json"), JSON.stringify(config));
    await writeFile(join(folder, "model.safetensors"), start);
    await truncate(join(folder, "model.safetensors"), start.length + end);
    await import("./inspect.ts"); // the compiler's time is not the command's
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("finds 31.02 % of 124,439,808 parameters in the tied embedding, in less than a second", async () => {
    const started = performance.now();
    const { code, out, err } = await inspect(folder);
    expect(performance.now() - started).toBeLessThan(1000);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(rowOf(out, "embedding, also the head")).toEqual(["38,597,376", "31.02 %"]);
    expect(rowOf(out, "positions")).toEqual(["786,432", "0.63 %"]);
    expect(rowOf(out, "attention")).toEqual(["28,348,416", "22.78 %"]);
    expect(rowOf(out, "ffn")).toEqual(["56,669,184", "45.54 %"]);
    expect(rowOf(out, "norm")).toEqual(["38,400", "0.03 %"]);
    expect(rowOf(out, "all")).toEqual(["124,439,808", "100.00 %"]);
    expect(out).toContain("file        safetensors, 148 tensors, 497.8 MB: F32 497.8 MB\n");
    expect(out).toContain("context     1,024 tokens\n");
    expect(out).toContain("heads       12, 64 wide\n");
    expect(out).toContain("            Plays 12 of 12 blocks, each once: 12 steps.\n");
    expect(rowOf(out, "keys and values, a token, f32")).toEqual(["73.7 kB"]); // 12 slots · 2 · 768 · 4 B
    expect(rowOf(out, "keys and values, 1,024 tokens, f32")).toEqual(["75.5 MB"]);
    expect(rowOf(out, "keys and values, a token, q8")).toEqual(["19.6 kB"]); // 12 slots · 2 · 12 heads · (64 + 4) B
    expect(rowOf(out, "keys and values, 1,024 tokens, q8")).toEqual(["20.1 MB"]);
  });

  it("shows another schedule beside the model's own", async () => {
    const { out } = await inspect(folder, "--schedule", "each(0-5)x2", "--context", "512");
    expect(out).toContain("schedule    0-11   (as stored)");
    expect(out).toContain(
      "schedule    each(0-5)x2   (--schedule)\n            Plays 6 of 12 blocks, each twice in a row",
    );
    expect(rowOf(out, "cost")).toEqual(["as stored", "--schedule"]);
    expect(rowOf(out, "parameters, unique")).toEqual(["124,439,808", "81,912,576"]);
    expect(rowOf(out, "parameters, effective")).toEqual(["124,439,808", "124,439,808"]);
    expect(rowOf(out, "depth, unique")).toEqual(["12", "6"]);
    expect(rowOf(out, "depth, effective")).toEqual(["12", "12"]);
    expect(rowOf(out, "keys and values, 512 tokens, f32")).toEqual(["37.7 MB", "37.7 MB"]);
  });

  it("gives everything as JSON", async () => {
    const { code, out } = await inspect(folder, "--schedule", "a0-11 f0", "--json");
    expect(code).toBe(0);
    const document = JSON.parse(out);
    expect(Object.keys(document)).toEqual([
      "format",
      "path",
      "config",
      "file",
      "schedules",
      "tensors",
      "problems",
      "device",
    ]);
    expect(document).toMatchObject({
      format: "safetensors",
      path: folder,
      config: { modelType: "gpt2", heads: 12, tiedEmbeddings: true },
      file: { tensors: 148, bytes: 497_759_232, bytesByType: { F32: 497_759_232 } },
      problems: [],
    });
    const [own, other] = document.schedules;
    const matrices = 12 * 12 * 768 * 768 + 50257 * 768;
    const position = 4 * 12 * 768;
    expect(own).toMatchObject({
      schedule: "0-11",
      cost: {
        uniqueParameters: 124_439_808,
        uniqueDepth: 12,
        effectiveDepth: 12,
        kvBytesPerToken: { f32: 73_728, q8: 19_584 },
      },
      cache: { context: 1024, bytes: { f32: 1024 * 73_728, q8: 1024 * 19_584 } },
      flops: { first: 2 * matrices + position, last: 2 * matrices + 1024 * position },
    });
    // Vectors stay f32 and are padded to 32, rows of the vocabulary to 16.
    expect(own.memory.f32).toBe(own.memory.file);
    expect(own.memory.f32 - 497_759_232).toBe((50_272 - 50_257) * 768 * 4);
    expect(other).toMatchObject({ cost: { uniqueDepth: 6.5, effectiveDepth: 6.5 } });
    expect(document.tensors).toHaveLength(148);
    expect(document.tensors[0]).toEqual({
      name: "transformer.wte.weight",
      storedName: "transformer.wte.weight",
      type: "F32",
      shape: [50257, 768],
      byteLength: 154_389_504,
    });
  });
});

describe("inspect", () => {
  it("lists tensors by both of their names", async () => {
    const { out } = await inspect(fixture("gguf/mistral.gguf"), "--tensors");
    expect(out).toContain("file        GGUF, 21 tensors, 63.5 kB: BF16 62.8 kB, F32 640 B\n");
    expect(out).toContain("window      8 tokens, in every block\n");
    expect(rowOf(out, "model.layers.0.mlp.down_proj.weight")).toEqual([
      "blk.0.ffn_down.weight",
      "BF16",
      "32 × 88",
      "5,632",
    ]);
    expect((await inspect(fixture("gguf/mistral.gguf"))).out).not.toContain("down_proj");
  });

  it("says why a model cannot be played, and shows what there is", async () => {
    const folder = await mkdtemp(join(tmpdir(), "refrain-inspect-"));
    const config = { model_type: "llama", vocab_size: 2, hidden_size: 8, intermediate_size: 8 };
    await writeFile(
      join(folder, "config.json"),
      JSON.stringify({ ...config, num_hidden_layers: 1, num_attention_heads: 2 }),
    );
    const header = { "model.embed_tokens.weight": entry("F32", [8, 2], 0, 64) };
    await writeFile(join(folder, "model.safetensors"), safetensorsBytes(header, 64));
    const { code, out } = await inspect(folder).finally(() => rm(folder, { recursive: true }));
    expect(code).toBe(0);
    expect(out).toContain("This model cannot be played:\n");
    expect(out).toContain("tensor model.embed_tokens.weight: expected shape [2, 8] from the config, got [8, 2]");
    expect(out).toContain("tensor model.norm.weight is missing");
    expect(out).toContain("and 7 more of this kind");
    expect(out).toContain("safetensors, 1 tensor, 64 B");
  });

  it("says that an encoder is one, and what its embeddings and its one cache cost", async () => {
    const { code, out } = await inspect(fixture("models/albert"));
    expect(code).toBe(0);
    expect(out).toContain("albert, an encoder: predicts masked tokens, does not continue text\n");
    expect(out).toContain("40, embeddings 24, feed-forward 88\n");
    expect(out).toContain("schedule    0x3\n");
    expect(rowOf(out, "projection")[0]).toBe("1,000");
    expect(rowOf(out, "keys and values, a token, f32")).toEqual(["320 B"]);
    expect(out).not.toContain("refrain device");
    expect((await inspect(fixture("models/albert-inner"))).out).not.toContain("cannot be played");
  });

  it.each([
    ["no such model", ["nowhere"], "There is no file or folder nowhere"],
    ["a folder without a model", [fixture("gguf/..")], "has no config.json"],
    [
      "an unknown block",
      [fixture("models/gpt2"), "--schedule", "0 9"],
      "the model has no block 9, it has 2\n  0 9\n    ^",
    ],
    ["too long a context", [fixture("models/gpt2"), "--context", "100000"], "context: 100000 tokens are more than the"],
    ["a context of nothing", [fixture("models/gpt2"), "--context", "0"], '--context: got "0"'],
    ["a prompt", [fixture("models/gpt2"), "Hello"], '"Hello" is one argument too many'],
  ])("refuses %s", async (_, words, message) => {
    const { code, out, err } = await inspect(...words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(message);
  });
});

const smol = smolLM2Path();
it.skipIf(smol === undefined)("inspect SmolLM2 (needs `node test/fetch-models.mjs`)", async () => {
  const started = performance.now();
  const { out } = await inspect(smol!);
  expect(performance.now() - started).toBeLessThan(1000);
  expect(out).toContain("GGUF, 272 tensors, 96.6 MB: Q4_1 66.4 MB, Q8_0 30.1 MB, F32 140.5 kB\n");
  expect(out).toContain("heads       9 for queries, 3 for keys and values, 64 wide\n");
  expect(rowOf(out, "all")).toEqual(["134,515,008", "100.00 %"]);
  expect(rowOf(out, "weights in memory, q4")).toEqual(["82.4 MB"]); // as --plan says
});

const stories = dataPath("models/stories260K/stories260K.bin");
it.skipIf(stories === undefined)("inspect stories260K (needs the shared test data)", async () => {
  const { out } = await inspect(stories!);
  expect(out).toContain("llama2.c, 47 tensors, 1.0 MB: F32 1.0 MB\n");
  expect(rowOf(out, "all")).toEqual(["260,032", "100.00 %"]);
});
