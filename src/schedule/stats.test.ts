import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { someSteps } from "./arbitrary.testing.ts";
import { halves } from "./edits.ts";
import { steps } from "./expand.ts";
import { parseSchedule } from "./parse.ts";
import { effectiveDepth, kvSlots, uniqueDepth, usesPerBlock } from "./stats.ts";

const of = (text: string) => steps(parseSchedule(text));

describe("statistics", () => {
  it.each([
    ["0-29", 30, 30, 30],
    ["each(0-29)x2", 30, 60, 60],
    ["0x12", 1, 12, 12],
    ["a0 f0 a1 f0 a2 f0", 2, 3, 3],
    ["0-19 f20-29", 25, 25, 20],
    ["0 a0 f0", 1, 2, 2],
  ])("of %j: unique depth %d, effective depth %d, %d key/value slots", (text, unique, effective, slots) => {
    expect(uniqueDepth(of(text))).toBe(unique);
    expect(effectiveDepth(of(text))).toBe(effective);
    expect(kvSlots(of(text))).toBe(slots);
  });

  it("counts the steps of every block, lowest first", () => {
    expect([...usesPerBlock(of("5x2 a3 0 f3 (5)x3"))]).toEqual([
      [0, 1],
      [3, 2],
      [5, 5],
    ]);
  });

  it("do not change when blocks are written as halves", () => {
    fc.assert(
      fc.property(someSteps, (whole) => {
        for (const figure of [uniqueDepth, effectiveDepth, kvSlots]) expect(figure(halves(whole))).toBe(figure(whole));
        expect([...usesPerBlock(whole).values()].reduce((a, b) => a + b)).toBe(whole.length);
      }),
    );
  });
});
