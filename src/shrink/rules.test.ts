import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Similarity } from "../measure/similarity.ts";
import { angular } from "./angular.ts";
import { influence } from "./influence.ts";
import { rules } from "./rules.ts";

function similarity(scores: readonly number[], distances: readonly (readonly number[])[] = []): Similarity {
  return {
    steps: scores.length,
    tokens: 1,
    windows: 1,
    influence: scores,
    cosine: scores.map((score) => 1 - score),
    angular: distances,
  };
}

/** A measurement of 2…12 steps with coarse scores, so that ties are common. */
const anySimilarity = fc.integer({ min: 2, max: 12 }).chain((steps) => {
  const score = fc.integer({ min: 0, max: 4 }).map((n) => n / 4);
  const row = (length: number) => fc.array(score, { minLength: length, maxLength: length });
  return fc
    .tuple(row(steps), fc.tuple(...Array.from({ length: steps }, (_, n) => row(steps - n))))
    .map(([scores, distances]) => similarity(scores, distances));
});

describe.each(rules)("$name", (rule) => {
  it("chooses as many distinct steps as asked, ascending, all of the schedule, and always the same", () => {
    fc.assert(
      fc.property(anySimilarity, fc.nat(), (measured, n) => {
        const drop = 1 + (n % (measured.steps - 1));
        const chosen = rule.choose(measured, drop);
        expect(chosen).toHaveLength(drop);
        expect(chosen).toEqual([...new Set(chosen)].sort((a, b) => a - b));
        expect(chosen.every((step) => Number.isInteger(step) && step >= 0 && step < measured.steps)).toBe(true);
        expect(rule.choose(measured, drop)).toEqual(chosen);
      }),
    );
  });

  it.each([0, -1, 1.5, Number.NaN, 3, 4])("refuses to drop %d of 3", (drop) => {
    const measured = similarity([1, 1, 1], [[1, 1, 1], [1, 1], [1]]);
    expect(() => rule.choose(measured, drop)).toThrow(expect.objectContaining({ code: "drop-count" }));
  });

  it("refuses to drop the only step", () => {
    expect(() => rule.choose(similarity([1], [[1]]), 1)).toThrow("1 of the 1 steps");
  });

  it("has a name of its own and says where it comes from", () => {
    expect(rules.filter(({ name }) => name === rule.name)).toEqual([rule]);
    expect(rule.paper).toMatch(/arXiv \d{4}\.\d{5}/);
  });
});

describe("angular", () => {
  it("drops the contiguous run with the least distance", () => {
    const distances = [
      [0.4, 0.2, 0.1, 0.1, 0.3],
      [0.5, 0.25, 0.15, 0.35],
    ];
    expect(angular.choose(similarity([1, 1, 1, 1, 1], distances), 2)).toEqual([2, 3]);
  });

  it("may begin with step 0 and may end with the last step", () => {
    const scores = [1, 1, 1];
    expect(angular.choose(similarity(scores, [[0], [0.1, 0.2]]), 2)).toEqual([0, 1]);
    expect(angular.choose(similarity(scores, [[0], [0.2, 0.1]]), 2)).toEqual([1, 2]);
  });

  it("of equal runs takes the deepest", () => {
    expect(angular.choose(similarity([1, 1, 1, 1], [[0.2, 0.1, 0.1, 0.3]]), 1)).toEqual([2]);
  });

  it("no other run of that length scores less, and any deeper one scores more", () => {
    fc.assert(
      fc.property(anySimilarity, fc.nat(), (measured, n) => {
        const drop = 1 + (n % (measured.steps - 1));
        const row = measured.angular[drop - 1]!;
        const [start] = angular.choose(measured, drop);
        row.forEach((distance, l) => {
          if (l > start!) expect(distance).toBeGreaterThan(row[start!]!);
          else expect(distance).toBeGreaterThanOrEqual(row[start!]!);
        });
      }),
    );
  });
});

describe("the rival of an angular choice", () => {
  const measured = (row: readonly number[], errors: readonly number[]): Similarity => ({
    ...similarity(Array(row.length + 1).fill(1), [[], row]),
    standardErrors: { influence: [], angular: [[], errors] },
  });

  it("is the best run elsewhere, where the errors do not tell the two apart", () => {
    expect(angular.rival(measured([0.2, 0.1, 0.12, 0.12, 0.11], Array(5).fill(0.01)), 2)).toEqual([4, 5]);
    expect(angular.rival(measured([0.2, 0.1, 0.12, 0.12, 0.11], Array(5).fill(0.007)), 2)).toBeUndefined();
  });

  it("is none that shares half of its steps with the choice, and none without errors", () => {
    expect(angular.rival(measured([0.2, 0.1, 0.1001, 0.2, 0.2], Array(5).fill(0.01)), 2)).toBeUndefined();
    expect(angular.rival(similarity([1, 1, 1], [[], [0.1, 0.1]]), 2)).toBeUndefined();
  });
});

describe("influence", () => {
  it("drops the smallest, in the order of the schedule", () => {
    expect(influence.choose(similarity([0.9, 0.1, 0.5, 0.05, 0.7]), 3)).toEqual([1, 2, 3]);
  });

  it("of equal steps takes the deepest", () => {
    expect(influence.choose(similarity([0.1, 0.1, 0.1, 0.1]), 2)).toEqual([2, 3]);
  });

  it("keeps nothing that scores less than what it drops", () => {
    fc.assert(
      fc.property(anySimilarity, fc.nat(), (measured, n) => {
        const chosen = new Set(influence.choose(measured, 1 + (n % (measured.steps - 1))));
        const kept = measured.influence.filter((_, step) => !chosen.has(step));
        const dropped = measured.influence.filter((_, step) => chosen.has(step));
        expect(Math.max(...dropped)).toBeLessThanOrEqual(Math.min(...kept));
      }),
    );
  });
});
