import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cycle, repeatEach, reverse } from "./edits.ts";
import { steps } from "./expand.ts";
import { parseSchedule } from "./parse.ts";
import { identitySteps, MAX_STEPS } from "./schedule.ts";
import { cycleReverseSharing, cycleSharing, sequenceSharing } from "./sharing.ts";

const of = (text: string) => steps(parseSchedule(text));

describe("the assignments of Takase and Kiyono", () => {
  it.each([
    [3, 6, "0 0 1 1 2 2", "0 1 2 0 1 2", "0 1 2 2 1 0"],
    [3, 9, "0 0 0 1 1 1 2 2 2", "0 1 2 0 1 2 0 1 2", "0 1 2 0 1 2 2 1 0"],
    [1, 4, "0 0 0 0", "0 0 0 0", "0 0 0 0"],
    [4, 6, "0 0 1 2 2 3", "0 1 2 3 0 1", "0 1 3 2 1 0"],
  ])("of %i blocks to %i layers", (unique, total, sequence, cycled, reversed) => {
    expect(sequenceSharing(unique, total)).toEqual(of(sequence));
    expect(cycleSharing(unique, total)).toEqual(of(cycled));
    expect(cycleReverseSharing(unique, total)).toEqual(of(reversed));
  });

  it("are the edits where N is a multiple of M", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 6 }), (unique, n) => {
        const stack = identitySteps(unique);
        expect(sequenceSharing(unique, unique * n)).toEqual(repeatEach(stack, n));
        expect(cycleSharing(unique, unique * n)).toEqual(cycle(stack, n));
        expect(cycleReverseSharing(unique, unique * 2)).toEqual(reverse(stack));
      }),
    );
  });

  it("use every block", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat({ max: 60 }), (unique, more) => {
        for (const assign of [sequenceSharing, cycleSharing, cycleReverseSharing]) {
          const blocks = assign(unique, unique + more).map((step) => step.block);
          expect(new Set(blocks)).toEqual(new Set(Array(unique).keys()));
        }
      }),
    );
  });

  it.each([
    [0, 6],
    [7, 6],
    [1.5, 6],
    [2, Number.POSITIVE_INFINITY],
    [2, MAX_STEPS + 1],
  ])("refuse %d blocks for %d layers", (unique, total) => {
    expect(() => cycleSharing(unique, total)).toThrow(expect.objectContaining({ code: "schedule-edit" }));
  });
});
