import { describe, expect, it } from "vitest";
import type { Similarity } from "../measure/similarity.ts";
import { steps } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { printSteps } from "../schedule/print.ts";
import { identitySteps, type Steps } from "../schedule/schedule.ts";
import { nearestPairs, sharePairs } from "./demo.ts";

/** A measurement of which only the distances of two steps in a row matter. */
const measured = (pairs: readonly number[]) => ({ angular: [[], pairs] }) as unknown as Similarity;
const six = identitySteps(6);

describe("pairs of steps to share", () => {
  it("are the nearest that do not overlap and are not dropped", () => {
    const similarity = measured([0.5, 0.1, 0.2, 0.3, 0.4]);
    expect(nearestPairs(six, similarity, [], 1)).toEqual([1]);
    // 2 and 4 both stand beside the pair 1-2; 3-4 is free.
    expect(nearestPairs(six, similarity, [], 2)).toEqual([1, 3]);
    expect(nearestPairs(six, similarity, [1], 2)).toEqual([2, 4]);
  });

  it("are fewer than asked for where no neighbours are left", () => {
    expect(nearestPairs(identitySteps(3), measured([0.1, 0.2]), [1], 1)).toEqual([]);
    expect(nearestPairs(identitySteps(1), { angular: [[0.1]] } as unknown as Similarity, [], 1)).toEqual([]);
  });

  it("are never two plays of one block, which are shared already", () => {
    const twice = steps(parseSchedule("each(0-1)x2"));
    expect(nearestPairs(twice, measured([0.1, 0.2, 0.3]), [], 2)).toEqual([1]);
  });

  it("never join an attention half and a feed-forward half", () => {
    const halves: Steps = [
      { block: 0, part: "attention" },
      { block: 0, part: "ffn" },
      { block: 1, part: "ffn" },
    ];
    expect(nearestPairs(halves, measured([0.1, 0.2]), [], 2)).toEqual([1]);
  });

  it("play their first step twice, and what is dropped is gone", () => {
    expect(printSteps(sharePairs(six, [5], [0, 3]))).toBe("0x2 2 3x2");
  });
});
