import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { load } from "../refrain.ts";
import { verifyExported } from "../shrink/verify.ts";
import type { Disk } from "../weights/disk.ts";
import { type Architecture, hubName, storedName } from "../weights/gguf-names.ts";
import { openCheckpoint } from "../weights/open.ts";
import type { ExportOptions } from "./export-gguf.ts";
import { halvesInterleaved } from "./export-tensor.ts";
import { halvesInOrder } from "./load-weights.ts";
import { readConfig } from "./read-config.ts";

let folder: string;
let out: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-export-"));
  out = join(folder, "model.gguf");
});
afterEach(() => rm(folder, { recursive: true }));

const threads = 1;

/** Writes a model, and gives what was written and how far its logits are from the source's. */
async function exported(source: string, options: ExportOptions & { schedule?: string } = {}) {
  const model = await load(fixturePath(source), { threads, weights: options.weights, schedule: options.schedule });
  try {
    const written = await model.export(out, options);
    return { written, ...(await verifyExported(model, out, { weights: options.weights, threads })) };
  } finally {
    await model.dispose();
  }
}

const everyModel = [
  "models/gpt2",
  "models/llama-bias",
  "models/llama-f16",
  "models/llama-gqa",
  "models/llama-linear-rope",
  "models/llama-mha",
  "models/llama-mqa",
  "models/llama-sharded",
  "models/llama3-rope",
  "models/mistral",
  "models/qwen2",
  "models/qwen3",
  "gguf/gpt2.gguf",
  "gguf/llama-bias.gguf",
  "gguf/llama3-rope.gguf",
  "gguf/qwen2.gguf",
];

describe("an exported model", () => {
  it.each(everyModel)("of %s plays the same to the bit in every type", async (source) => {
    for (const weights of [undefined, "f32", "f16", "q8", "q4"] as const) {
      const { difference } = await exported(source, { weights, overwrite: true });
      expect(difference, `${weights}`).toBe(0);
    }
  });

  it.each(["llama-gqa", "mistral", "qwen2", "qwen3", "gpt2", "llama-linear-rope", "llama3-rope"])(
    "has the config of %s",
    async (name) => {
      await exported(`models/${name}`);
      const [source, written] = await Promise.all(
        [fixturePath(`models/${name}`), out].map(async (path) => {
          const checkpoint = await openCheckpoint(path);
          const { rope, ...config } = await readConfig(checkpoint);
          await checkpoint.close();
          return name === "llama3-rope" ? config : { rope, ...config };
        }),
      );
      expect(written).toEqual(source);
    },
  );

  it("brings its schedule, and only what is played", async () => {
    const { written, difference } = await exported("models/llama-gqa", { schedule: "a2 f0 0x2 f2" });
    expect(difference).toBe(0);
    expect(written.schedule).toBe("a0 f1 1x2 f0");
    const checkpoint = await openCheckpoint(out);
    expect(checkpoint.config).toMatchObject({ num_hidden_layers: 2, refrain: { schedule: "a0 f1 1x2 f0" } });
    await checkpoint.close();
  });

  it("knows biases where its first block has half of them", async () => {
    expect(await exported("models/llama-bias", { schedule: "f0 1" })).toMatchObject({ difference: 0 });
  });

  it("is written out block by block with unrolled", async () => {
    const { written, difference } = await exported("models/llama-gqa", { schedule: "0x2 a1 f2", unrolled: true });
    expect({ difference, schedule: written.schedule }).toEqual({ difference: 0, schedule: undefined });
    const checkpoint = await openCheckpoint(out);
    expect(checkpoint.config).toMatchObject({ num_hidden_layers: 3 });
    expect(checkpoint.config.refrain).toBeUndefined();
    await checkpoint.close();
  });

  it("that is exported again without a type is the same file", async () => {
    await exported("gguf/qwen2.gguf", { weights: "q4" });
    const once = await readFile(out);
    const again = await load(out, { threads });
    await again.export(join(folder, "again.gguf"));
    await again.dispose();
    expect((await readFile(join(folder, "again.gguf"))).equals(once)).toBe(true);
  });

  it("says what stays in 16 bits, and counts every byte", async () => {
    const { written } = await exported("models/llama-bias", { weights: "q8" });
    expect(written.keptWide).toEqual([0, 1].map((block) => `model.layers.${block}.mlp.down_proj.weight`));
    expect(written.bytes).toBe((await readFile(out)).length);
    expect(Object.keys(written.types).sort()).toEqual(["BF16", "F32", "Q8_0"]);
  });
});

describe("what stops an export", () => {
  const exporting = async (options: ExportOptions & { schedule?: string }, path = out) => {
    const model = await load(fixturePath("gguf/llama-gqa.gguf"), { threads, schedule: options.schedule });
    try {
      return await model.export(path, options);
    } finally {
      await model.dispose();
    }
  };

  it.each<[string, ExportOptions & { schedule?: string }, object]>([
    ["a half without a partner", { schedule: "0 a1", unrolled: true }, { code: "schedule-unroll", kind: "input" }],
    [
      "a full disk",
      { disk: { freeBytes: async () => 100, write: () => Promise.reject(new Error("must not write")) } },
      { code: "disk-full", kind: "failure" },
    ],
    [
      "a disk that becomes full",
      {
        disk: {
          freeBytes: async () => 1e9,
          write: async () => Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" })),
        } satisfies Disk,
      },
      { code: "disk-full" },
    ],
    ["an abort", { signal: AbortSignal.abort() }, { code: "interrupted", kind: "failure" }],
  ])("%s leaves nothing", async (_, options, error) => {
    await expect(exporting(options)).rejects.toMatchObject(error);
    expect(await readdir(folder)).toEqual([]);
  });

  it("an abort in the middle leaves the old file", async () => {
    await exporting({});
    const before = await readFile(out);
    const controller = new AbortController();
    const stop = exporting({ overwrite: true, signal: controller.signal, onProgress: () => controller.abort() });
    await expect(stop).rejects.toMatchObject({ code: "interrupted" });
    expect(await readdir(folder)).toEqual(["model.gguf"]);
    expect((await readFile(out)).equals(before)).toBe(true);
  });

  it("a file of that name is replaced only if it is GGUF and overwrite is set", async () => {
    await exporting({});
    await expect(exporting({})).rejects.toMatchObject({ code: "output-exists", kind: "input" });
    await exporting({ overwrite: true });
    await writeFile(out, "thesis");
    await expect(exporting({ overwrite: true })).rejects.toMatchObject({ code: "output-exists" });
    expect(await readFile(out, "utf8")).toBe("thesis");
    await expect(exporting({ overwrite: true }, folder)).rejects.toThrow(/is a folder, expected a name for a file/);
  });

  it("the source is never replaced", async () => {
    await exporting({});
    const model = await load(out, { threads });
    await expect(model.export(out, { overwrite: true })).rejects.toMatchObject({ code: "output-is-source" });
    await model.dispose();
  });

  it("windows that GGUF has no word for are refused", async () => {
    const model = await load(fixturePath("models/mistral"), { threads });
    const { exportGguf } = await import("./export-gguf.ts");
    const checkpoint = await model.open();
    const some = { ...model.config, windows: [8, undefined] };
    await expect(exportGguf(out, checkpoint, some, model.steps)).rejects.toMatchObject({ code: "export-window" });
    const other = { ...model.config, modelType: "qwen2" };
    await expect(exportGguf(out, checkpoint, other, model.steps)).rejects.toMatchObject({ code: "export-window" });
    const albert = { ...model.config, modelType: "albert" };
    await expect(exportGguf(out, checkpoint, albert, model.steps)).rejects.toMatchObject({ code: "export-model" });
    await checkpoint.close();
    await model.dispose();
  });
});

it("rows are interleaved as loading puts them in order again", () => {
  const shapes = fc.tuple(
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 5 }),
    fc.integer({ min: 1, max: 4 }),
  );
  fc.assert(
    fc.property(shapes, ([heads, half, columns]) => {
      const rows = 2 * half * heads;
      const values = Float32Array.from({ length: rows * columns }, (_, i) => i);
      const stored = halvesInterleaved(new Uint8Array(values.buffer), 4 * columns, 2 * half);
      expect(halvesInOrder(new Float32Array(stored.buffer), rows, 2 * half)).toEqual(values);
    }),
  );
});

it("names of tensors go to GGUF and back", () => {
  const parts = ["attn_norm", "attn_q", "attn_output", "ffn_norm", "ffn_up", "ffn_down"];
  for (const architecture of ["llama", "qwen2", "qwen3", "gpt2"] satisfies Architecture[]) {
    const names = ["token_embd.weight", "output_norm.weight", "output.weight"];
    for (const part of parts) names.push(`blk.12.${part}.weight`, `blk.0.${part}.bias`);
    for (const name of names) {
      const hub = hubName(architecture, name);
      if (hub) expect(storedName(architecture, hub.name)).toBe(name);
    }
    expect(storedName(architecture, "model.layers.0.other.weight")).toBeUndefined();
  }
});
