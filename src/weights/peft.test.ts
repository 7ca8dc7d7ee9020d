import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { readPeft, type StoredAdapter, writePeft } from "./peft.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-peft-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("reads what peft wrote", () => {
  it("ranks, scales, pairs", async () => {
    const adapter = await readPeft(fixturePath("adapters/llama-gqa"));
    expect(adapter).toMatchObject({ rank: 3, alpha: 5, base: "llama-gqa", schedule: undefined });
    expect(adapter.pairs.length).toBe(15);
    const [pair] = adapter.pairs;
    expect(pair!.module).toMatch(/^model\.layers\.0\./);
    expect(pair!.a.rows).toBe(3);
    expect(pair!.b.columns).toBe(3);
  });

  it("rank-stabilized: alpha / √rank", async () => {
    expect((await readPeft(fixturePath("adapters/qwen2"))).alpha).toBeCloseTo(6 * Math.sqrt(4), 12);
  });
});

it("what is written is read again", async () => {
  const number = fc.double({ noNaN: true, min: -1e3, max: 1e3 }).map(Math.fround);
  const adapter = fc
    .record({
      rank: fc.integer({ min: 1, max: 5 }),
      alpha: fc.double({ noNaN: true, min: 0.1, max: 64 }),
      steps: fc.boolean(),
    })
    .chain(({ rank, alpha, steps }) =>
      fc
        .array(fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 7 }), number), {
          minLength: 1,
          maxLength: 4,
        })
        .map(
          (sizes): StoredAdapter => ({
            rank,
            alpha,
            base: "somewhere",
            schedule: steps ? "0x2" : undefined,
            pairs: sizes.map(([columns, rows, value], i) => ({
              module: `model.layers.${steps ? 0 : i}.mlp.up_proj`,
              step: steps ? i : undefined,
              a: { rows: rank, columns, values: new Float32Array(rank * columns).fill(value) },
              b: { rows, columns: rank, values: new Float32Array(rank * rows).fill(-value) },
            })),
          }),
        ),
    );
  let run = 0;
  await fc.assert(
    fc.asyncProperty(adapter, async (adapter) => {
      const path = join(folder, `${run++}`);
      await writePeft(path, adapter);
      const again = await readPeft(path);
      const sorted = (a: StoredAdapter) => ({
        ...a,
        pairs: [...a.pairs].sort((x, y) => `${x.module} ${x.step}`.localeCompare(`${y.module} ${y.step}`)),
      });
      expect(sorted(again)).toEqual(sorted(adapter));
    }),
    { numRuns: 20 },
  );
});

it("replaces only what it wrote, and only when asked", async () => {
  const adapter = await readPeft(fixturePath("adapters/qwen2"));
  const path = join(folder, "out");
  await writePeft(path, adapter);
  await expect(writePeft(path, adapter)).rejects.toMatchObject({ code: "output-exists" });
  await writePeft(path, adapter, { overwrite: true });
  await cp(fixturePath("adapters/qwen2"), join(folder, "theirs"), { recursive: true });
  await expect(writePeft(join(folder, "theirs"), adapter, { overwrite: true })).rejects.toMatchObject({
    code: "output-exists",
  });
});

describe("refuses", () => {
  /** The adapter of a fixture with another config. */
  const withConfig = async (change: Record<string, unknown>) => {
    const path = join(folder, "adapter");
    await cp(fixturePath("adapters/llama-gqa"), path, { recursive: true });
    const config = JSON.parse(await readFile(join(path, "adapter_config.json"), "utf8"));
    await writeFile(join(path, "adapter_config.json"), JSON.stringify({ ...config, ...change }));
    return readPeft(path);
  };
  /** An adapter with these tensors, each of ones. */
  const withTensors = async (tensors: Record<string, readonly number[]>, dtype = "F32", value = 1) => {
    const path = join(folder, "adapter");
    await cp(fixturePath("adapters/llama-gqa"), path, { recursive: true });
    let end = 0;
    const bytes = dtype === "F64" ? 8 : 4;
    const entries = Object.entries(tensors).map(([name, shape]) => {
      const begin = end;
      end += bytes * shape.reduce((product, n) => product * n, 1);
      return [name, { dtype, shape, data_offsets: [begin, end] }];
    });
    const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const data = Buffer.from(new Float32Array(end / 4).fill(value).buffer);
    await writeFile(join(path, "adapter_model.safetensors"), Buffer.concat([length, header, data]));
    return readPeft(path);
  };
  const at = (half: string, more = "") => `base_model.model.model.layers.0.mlp.up_proj${more}.lora_${half}.weight`;

  it("a folder that is none", async () => {
    await expect(readPeft(join(folder, "nowhere"))).rejects.toMatchObject({ code: "adapter-missing" });
  });

  for (const [what, change, code] of [
    ["another method", { peft_type: "IA3" }, "adapter-kind"],
    ["DoRA", { use_dora: true }, "adapter-kind"],
    ["trained biases", { bias: "lora_only" }, "adapter-kind"],
    ["whole modules", { modules_to_save: ["lm_head"] }, "adapter-kind"],
    ["scales of single modules", { alpha_pattern: { q_proj: 3 } }, "adapter-kind"],
    ["a rank of nothing", { r: 0 }, "adapter-config"],
    ["an impossible rank", { r: 1e9 }, "adapter-config"],
    ["a scale that is no number", { lora_alpha: "8" }, "adapter-config"],
    ["another rank than the tensors'", { r: 4 }, "adapter-tensor"],
  ] as const) {
    it(what, () => expect(withConfig(change)).rejects.toMatchObject({ kind: "input", code }));
  }

  for (const [what, tensors, message] of [
    ["a tensor of something else", { weird: [1] }, "no half of a LoRA pair"],
    ["an embedding's adapter", { "base_model.model.model.embed_tokens.lora_embedding_A": [3, 4] }, "no half"],
    ["half a pair", { [at("A")]: [3, 4] }, "has no lora_B"],
    ["the wrong rank", { [at("A")]: [2, 4], [at("B")]: [4, 2] }, "r = 3"],
    ["three dimensions", { [at("A")]: [3, 2, 2] }, "r = 3"],
    ["a pair twice", { [at("A")]: [3, 4], [at("A").replace(".weight", ".default.weight")]: [3, 4] }, "is the second"],
    ["no tensor at all", {}, "holds no adapter"],
  ] as const) {
    it(what, () =>
      expect(withTensors(tensors)).rejects.toMatchObject({
        kind: "input",
        code: "adapter-tensor",
        message: expect.stringContaining(message),
      }),
    );
  }

  it("numbers that are none, and types that are not read", async () => {
    const pair = { [at("A")]: [3, 4], [at("B")]: [4, 3] };
    await expect(withTensors(pair, "F32", Number.NaN)).rejects.toMatchObject({ code: "adapter-tensor" });
    await expect(withTensors(pair, "F64")).rejects.toMatchObject({ code: "adapter-tensor" });
    await expect(withTensors(pair)).resolves.toMatchObject({ rank: 3 });
  });
});
