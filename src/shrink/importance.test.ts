import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { familyOf } from "../model/families.ts";
import { findTensor, isTransposed } from "../model/load-weights.ts";
import { unitsOf } from "../model/width.ts";
import { load, type Model } from "../refrain.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { computed, storedRows } from "../weights/computed-tensor.ts";
import { editedCheckpoint } from "../weights/edited-checkpoint.ts";
import { importance } from "./importance.ts";

const window = 12;
const windows = 5;
const text = {
  tokens: Array.from({ length: window * windows }, (_, i) => (i * i * 7 + 3 * i + 1) % 60),
  window,
  windows,
};

/** Mean loss of the text with what a unit carries into the residual stream multiplied by `factor`. */
async function gated(model: Model, block: number, kind: "head" | "channel", unit: number | "all", factor: number) {
  const { config } = model;
  const edit = (checkpoint: Checkpoint) => {
    const parameter = familyOf(config)
      .block(config, block)
      .find((p) => {
        const units = unitsOf(p, config);
        return p.kind === "matrix" && units?.kind === kind && units.axis === "columns";
      })!;
    const units = unitsOf(parameter, config)!;
    const tensor = findTensor(checkpoint, parameter);
    const flipped = isTransposed(parameter, tensor);
    const width = tensor.shape.at(-1)!;
    const read = async (first: number, count: number) =>
      (await storedRows(checkpoint, tensor, first, count)).map((value, i) => {
        const column = flipped ? first + Math.floor(i / width) : i % width;
        return unit === "all" || units.of(column) === unit ? factor * value : value;
      });
    const scaled = computed(tensor.name, tensor, "F32", tensor.shape, read);
    return editedCheckpoint(checkpoint, { tensors: new Map([[parameter.name, scaled]]) });
  };
  const changed = await model.edited(edit, model.schedule);
  const session = changed.session({ output: "loss" });
  try {
    let sum = 0;
    for (let w = 0; w < windows; w++) {
      const own = text.tokens.slice(w * window, (w + 1) * window);
      session.rewind(0);
      session.play(own.slice(0, -1), { tail: 0, targets: own.slice(1) });
      sum += session.losses(window - 1).reduce((total, loss) => total + loss, 0);
    }
    return sum / (windows * (window - 1));
  } finally {
    session.dispose();
    await changed.dispose();
  }
}

/** The derivative of the loss by the factor, at 1: central differences, the second with half the step to cancel h². */
async function slope(model: Model, block: number, kind: "head" | "channel", unit: number | "all"): Promise<number> {
  const difference = async (h: number) =>
    ((await gated(model, block, kind, unit, 1 + h)) - (await gated(model, block, kind, unit, 1 - h))) / (2 * h);
  const [coarse, fine] = [await difference(0.1), await difference(0.05)];
  return (4 * fine - coarse) / 3;
}

describe.each([
  ["models/llama-gqa", "0-2"],
  ["models/llama-gqa", "0x2 2 f1"],
  ["models/gpt2", "0-1"],
])("importance in %s playing %s", (name, schedule) => {
  let model: Model;
  beforeAll(async () => {
    model = await load(fixturePath(name), { schedule, weights: "f32", threads: 1 });
  });
  afterAll(() => model.dispose());

  it("by gate is what the loss changes by, to first order, when a unit or a half goes", async () => {
    const found = await importance(model, text, { by: "gate" });
    expect(found.map(({ block }) => block)).toEqual([...new Set(model.steps.map(({ block }) => block))].sort());
    let largest = 0;
    for (const { block, heads, channels, whole } of found) {
      const plays = model.steps.filter((step) => step.block === block);
      const attention = plays.some(({ part }) => part === "block");
      const close = (actual: number, expected: number) => {
        largest = Math.max(largest, actual);
        expect(Math.abs(actual - Math.abs(expected))).toBeLessThan(5e-6 + 0.01 * actual);
      };
      if (attention) for (const h of [0, 1]) close(heads[h]!, await slope(model, block, "head", h));
      else expect([...heads]).toEqual([0, 0]);
      for (const c of [0, 7, channels.length - 1]) close(channels[c]!, await slope(model, block, "channel", c));
      const halves = [
        attention ? await slope(model, block, "head", "all") : 0,
        await slope(model, block, "channel", "all"),
      ];
      close(whole, Math.abs(halves[0]!) + Math.abs(halves[1]!));
    }
    // Differences that mean something.
    expect(largest).toBeGreaterThan(1e-3);
  });

  it("is the same whether gradients are held for one block at a time or for all, and for any batch", async () => {
    for (const by of ["weights", "gate"] as const) {
      const all = await importance(model, text, { by });
      expect(await importance(model, text, { by, budget: 1 })).toEqual(all);
      for (const { whole, heads, channels } of all) {
        expect(whole).toBeGreaterThan(0);
        expect([...heads, ...channels].every((value) => value >= 0)).toBe(true);
      }
    }
  });

  it("by weights is at least what it is by gate for every unit: the triangle inequality, over more weights", async () => {
    const [weights, gate] = [
      await importance(model, text, { by: "weights" }),
      await importance(model, text, { by: "gate" }),
    ];
    for (const [i, { whole, heads, channels }] of gate.entries()) {
      const larger = weights[i]!;
      expect(larger.whole).toBeGreaterThan(whole);
      for (const [h, value] of heads.entries()) expect(larger.heads[h]).toBeGreaterThanOrEqual(value);
      for (const [c, value] of channels.entries()) expect(larger.channels[c]).toBeGreaterThanOrEqual(value);
    }
  });
});
