import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { load, type Model } from "../refrain.ts";
import { initialValues } from "../train/adapter-start.ts";
import { createAdapter } from "./adapter.ts";
import { toStored } from "./adapter-values.ts";

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "refrain-merge-"));
});
afterAll(() => rm(parent, { recursive: true }));

async function logits(model: Model): Promise<number[]> {
  const session = model.session();
  const out = [...(await session.feed([3, 1, 4, 1, 5, 9, 2, 6]))];
  session.dispose();
  return out;
}

/** The model with an adapter that changes what it says. */
function adapted(model: Model, perStep: boolean): Model {
  const adapter = createAdapter(model.config, model.steps, { rank: 3, alpha: 5, modules: "all", perStep });
  const values = new Map(
    [...initialValues(adapter, 2)].map(([name, v], i) => [
      name,
      v.map((x, j) => x + 0.04 * Math.sin(1 + 7 * i + 3 * j)),
    ]),
  );
  return model.withAdapter(toStored(adapter, values, { base: undefined, schedule: model.schedule }), "here");
}

const distance = (a: readonly number[], b: readonly number[]): number =>
  Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0) / b.reduce((sum, v) => sum + v * v, 0));

// F32, BF16, transposed; quantized blocks of interleaved heads (llama, mistral) and not (qwen2).
const models = ["models/gpt2", "models/llama-gqa", "models/qwen3", "gguf/qwen2.gguf", "gguf/mistral.gguf"] as const;

describe.each(models)("an adapter merged into %s", (name) => {
  for (const [how, schedule, perStep] of [
    ["by weight", undefined, false],
    ["by step, each with a block of its own then", "0 1 1 0", true],
  ] as const) {
    it(`${how}: plays as it did beside the weights, and so does what is saved`, async () => {
      const options = { threads: 1, weights: "f32" } as const;
      const base = await load(fixturePath(name), { ...options, ...(schedule && { schedule }) });
      const beside = adapted(base, perStep);
      const expected = await logits(beside);
      expect(distance(expected, await logits(base))).toBeGreaterThan(0.02);
      const merged = await beside.merged();
      expect(distance(await logits(merged), expected)).toBeLessThan(name === "models/gpt2" ? 1e-5 : 3e-3);
      const folder = join(parent, `${name.replaceAll("/", "-")}-${perStep}`);
      await merged.save(folder);
      const saved = await load(folder, options);
      expect(saved.schedule).toBe(perStep ? "0-3" : base.schedule);
      expect(await logits(saved)).toEqual(await logits(merged));
      for (const model of [saved, merged, beside, base]) await model.dispose();
    });
  }
});

describe("an adapter beside its base", () => {
  it("is kept when the schedule changes, unless it belongs to the steps of one", async () => {
    const base = await load(fixturePath("models/llama-gqa"), { threads: 1 });
    const [byWeight, byStep] = [adapted(base, false), adapted(base, true)];
    const shorter = byWeight.withSchedule("0 2");
    expect(await logits(shorter)).not.toEqual(await logits(base.withSchedule("0 2")));
    expect(() => byStep.withSchedule("0 2")).toThrow(expect.objectContaining({ code: "adapter-schedule" }));
    await base.dispose();
    // The base's weights stay as long as a model needs them.
    expect((await logits(byWeight)).every(Number.isFinite)).toBe(true);
    for (const model of [shorter, byWeight, byStep]) await model.dispose();
  });

  it("is loaded by name of its folder", async () => {
    const adapter = fixturePath("adapters/llama-gqa");
    const model = await load(fixturePath("models/llama-gqa"), { threads: 1, adapter });
    const plain = await load(fixturePath("models/llama-gqa"), { threads: 1 });
    expect(distance(await logits(model), await logits(plain))).toBeGreaterThan(0.05);
    await model.dispose();
    await plain.dispose();
    await expect(load(fixturePath("models/gpt2"), { adapter })).rejects.toMatchObject({ code: "adapter-base" });
    await expect(load(fixturePath("models/gpt2"), { adapter: parent })).rejects.toMatchObject({
      code: "adapter-missing",
    });
  });
});
