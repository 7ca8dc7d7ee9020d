import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { modelCost } from "../measure/cost.ts";
import { load, type Model } from "../refrain.ts";
import { verifyWritten } from "../shrink/verify.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type ComputedTensor, computed, storedRows } from "../weights/computed-tensor.ts";
import { type EditedCheckpoint, editedCheckpoint } from "../weights/edited-checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { findTensor, isTransposed } from "./load-weights.ts";
import { type Kept, narrow, unitsOf } from "./width.ts";

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "refrain-width-"));
});
afterAll(() => rm(parent, { recursive: true }));

/** The whole model with zeros where a unit that goes would be carried into the residual stream. */
function silenced(checkpoint: Checkpoint, config: ModelConfig, kept: Kept): EditedCheckpoint {
  const tensors = new Map<string, ComputedTensor>();
  for (const [block, { heads, channels }] of kept) {
    for (const parameter of familyOf(config).block(config, block)) {
      const units = unitsOf(parameter, config);
      if (parameter.kind !== "matrix" || units?.axis !== "columns") continue;
      const staying: readonly number[] = units.kind === "head" ? heads : channels;
      const tensor = findTensor(checkpoint, parameter);
      const flipped = isTransposed(parameter, tensor);
      const width = tensor.shape.at(-1)!;
      const read = async (first: number, count: number) =>
        (await storedRows(checkpoint, tensor, first, count)).map((value, i) => {
          const column = flipped ? first + Math.floor(i / width) : i % width;
          return staying.includes(units.of(column)) ? value : 0;
        });
      const type = tensor.type === "F32" ? "F32" : "F16";
      tensors.set(parameter.name, computed(tensor.name, tensor, type, tensor.shape, read));
    }
  }
  return editedCheckpoint(checkpoint, { tensors });
}

async function logits(model: Model): Promise<Float32Array> {
  const fed = await model.session().feed([1, 5, 3, 2, 7]);
  return fed.slice();
}

describe.each([
  ["models/llama-gqa", true],
  ["models/llama-bias", true],
  ["models/qwen2", true],
  ["models/qwen3", true],
  ["models/gpt2", false],
  ["gguf/llama-gqa.gguf", true],
  ["gguf/qwen3.gguf", true],
  ["gguf/gpt2.gguf", false],
])("%s with fewer heads and channels", (name, fewerHeads) => {
  it("plays as the whole model does with those silent, also once it is written", async () => {
    const model = await load(fixturePath(name), { weights: "f32", threads: 1 });
    const { config, schedule } = model;
    const all = (count: number) => Array.from({ length: count }, (_, i) => i);
    const blocks = all(config.blocks);
    const channels = Math.floor(0.6 * config.ffnSize);
    const kept: Kept = new Map(
      blocks.map((block) => [
        block,
        {
          // Others in each block, and holes between them.
          heads: fewerHeads ? [block % config.kvHeads] : all(config.kvHeads),
          channels: all(config.ffnSize)
            .filter((channel) => (channel + block) % 3 !== 0)
            .slice(0, channels),
        },
      ]),
    );
    const narrower = await model.edited((source) => narrow(source, config, kept), schedule);
    const silent = await model.edited((source) => silenced(source, config, kept), schedule);
    const folder = join(parent, name.replaceAll("/", "-"));
    try {
      expect(narrower.config).toMatchObject({ ffnSize: channels, headWidth: config.headWidth });
      if (fewerHeads) expect(narrower.config).toMatchObject({ kvHeads: 1, heads: config.heads / config.kvHeads });
      const unique = ({ config, steps }: Model) => modelCost(config, steps).uniqueParameters;
      expect(unique(narrower)).toBeLessThan(unique(model));
      const [expected, actual, whole] = [await logits(silent), await logits(narrower), await logits(model)];
      const most = (a: Float32Array, b: Float32Array) => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
      expect(most(actual, expected)).toBeLessThan(name.startsWith("gguf") ? 2e-3 : 1e-5);
      expect(most(whole, expected)).toBeGreaterThan(0.01);
      await narrower.save(folder);
      expect((await verifyWritten(narrower, folder, { threads: 1 })).difference).toBeLessThan(1e-5);
    } finally {
      await Promise.all([narrower.dispose(), silent.dispose(), model.dispose()]);
    }
  });
});

it("refuses fewer heads of a GPT-2, whose config has no words for them", async () => {
  const model = await load(fixturePath("models/gpt2"), { threads: 1 });
  const { config, schedule } = model;
  const kept: Kept = new Map([[0, { heads: [0], channels: [0, 1] }]]);
  try {
    const edited = model.edited((source) => narrow(source, config, kept), schedule);
    await expect(edited).rejects.toMatchObject({ kind: "input", code: "width" });
  } finally {
    await model.dispose();
  }
});
