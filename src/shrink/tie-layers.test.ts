import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Mix } from "../model/mix-blocks.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { printSteps } from "../schedule/print.ts";
import { identitySteps, type Steps } from "../schedule/schedule.ts";
import { tie, tyings } from "./tie-layers.ts";

const steps = (text: string): Steps => expand(parseSchedule(text));

/** The tied schedule, and what each new block's halves are made of: "0+2" is the mean of blocks 0 and 2. */
function tied(count: number, target: string, how: (typeof tyings)[number]) {
  const { steps: after, mixes } = tie(identitySteps(count), steps(target), how, count);
  const inWords = (mix: Mix | undefined) => mix?.map(({ block }) => block).join("+") ?? "none";
  return [printSteps(after), ...mixes.map((m) => `a${inWords(m.attention?.weights)} f${inWords(m.ffn?.weights)}`)];
}

describe("tie", () => {
  it.each([
    ["stepwise", "each(0-2)x2", ["0x2 3x2 5x2"]], // round(0), round(2.5), round(5)
    ["stepwise", "(0-2)x2", ["(0 3 5)x2"]],
    ["stepwise", "0x6", ["0x6"]],
    ["stepwise", "0 (1-2)x2 3", ["0 (1 4)x2 5"]], // the stretch is layers 1 to 4
    ["lower", "each(0-2)x2", ["each(0-2)x2"]],
    ["lower", "0 (1-2)x2 3", ["0-2 1-2 5"]],
    ["average", "each(0-2)x2", ["each(6-8)x2", "a0+1 f0+1", "a2+3 f2+3", "a4+5 f4+5"]],
    ["average", "(0-2)x2", ["(6-8)x2", "a0+3 f0+3", "a1+4 f1+4", "a2+5 f2+5"]],
    ["average", "0-2 2-0", ["6-8 8-6", "a0+5 f0+5", "a1+4 f1+4", "a2+3 f2+3"]],
    ["average", "0 (1-2)x2 3", ["0 (6-7)x2 5", "a1+3 f1+3", "a2+4 f2+4"]],
    ["average", "0-5", ["0-5"]],
    ["average", "2 2 5 4 3 0", ["6x2 2-5", "a0+1 f0+1"]],
  ] as const)("%s to %s", (how, target, expected) => {
    expect(tied(6, target, how)).toEqual(expected);
  });

  it("ties halves apart where the target does", () => {
    expect(tied(3, "a0 f0 a1 f0 a2 f0", "average")).toEqual(["a3 f3 a1 f3 a2 f3", "a0 f0+1+2"]);
    expect(tied(3, "a0 f0 a1 f0 a2 f0", "lower")).toEqual(["a0 f0 a1 f0 a2 f0"]);
    expect(tied(4, "a0 f0 a0 f1 a0 f2 a0 f3", "stepwise")).toEqual(["a0 f0 a0 f1 a0 f2 a0 f3"]);
  });

  it("weighs a source block by how often it stood there", () => {
    const { mixes } = tie(steps("0 0 1 2"), steps("0x3 1"), "average", 3);
    expect(mixes[0]!.attention!.weights).toEqual([
      { block: 0, weight: 2 / 3 },
      { block: 1, weight: 1 / 3 },
    ]);
  });

  it("makes every block of a weighted mean, and plays the target", () => {
    const targets = fc.array(fc.nat(4), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(targets, fc.constantFrom(...tyings), (blocks, how) => {
        const target: Steps = blocks.map((block) => ({ block, part: "block" }));
        const { steps: after, mixes } = tie(identitySteps(blocks.length), target, how, blocks.length);
        // The same places play the same block.
        for (const [i, block] of blocks.entries()) {
          for (const [j, other] of blocks.entries()) {
            if (block === other) expect(after[i]!.block).toBe(after[j]!.block);
          }
        }
        for (const { attention, ffn } of mixes) {
          for (const mix of [attention!.weights, attention!.norms, ffn!.weights, ffn!.norms]) {
            expect(mix.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 12);
          }
        }
      }),
    );
  });

  it.each(["0-4", "each(0-2)x3", "a0 f0 a1 f1 a2 f2 a3 f3 a4 f4 a5", "f0 a0 1-5"])(
    "refuses %s for 6 layers",
    (target) => {
      expect(() => tied(6, target, "average")).toThrow(
        expect.objectContaining({ kind: "input", code: "tie-schedule" }),
      );
    },
  );
});
