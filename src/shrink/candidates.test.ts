import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Similarity } from "../measure/similarity.ts";
import { halves } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import { identitySteps, type Steps } from "../schedule/schedule.ts";
import { candidates, keyOf, type Smaller, type Way, type Weights, waysToShorten, weightTypes } from "./candidates.ts";
import { onFront } from "./front.ts";

/** As a measurement of `count` steps would be, of numbers that are given. */
function similarity(count: number, values: readonly number[]): Similarity {
  const value = (i: number) => values[i % values.length]!;
  const angular = Array.from({ length: count }, (_, n) =>
    Array.from({ length: count - n }, (_, l) => value(7 * n + l)),
  );
  return {
    steps: count,
    angular,
    influence: Array.from({ length: count }, (_, i) => value(3 * i)),
  } as unknown as Similarity;
}

const numbers = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 40 });
const search = fc.record({
  depth: fc.integer({ min: 1, max: 12 }),
  values: numbers,
  budget: fc.integer({ min: 1, max: 12 }),
});

const blocks = (steps: Steps) => new Set(steps.map(({ block }) => block)).size;

const cost: Record<Weights, number> = { f16: 4, q8: 2, q4: 1 };

function searched({ depth, values, budget }: { depth: number; values: readonly number[]; budget: number }) {
  const steps = identitySteps(depth);
  const ways = waysToShorten(steps, similarity(depth, values), similarity(2 * depth, values));
  const small = ({ steps: left }: Smaller, weights: Weights) => halves(left).length * cost[weights] <= 2 * budget;
  return { steps, ways, small, found: candidates(steps, ways, [0.1, 0.3], small) };
}

describe("candidates", () => {
  it("are the whole schedule and shorter ones of its own steps, each once for each type of weights", () => {
    fc.assert(
      fc.property(search, (given) => {
        const { steps, found } = searched(given);
        const keys = found.map(({ schedule, weights }) => `${schedule} ${weights}`);
        expect(new Set(keys).size).toBe(keys.length);
        for (const weights of weightTypes) {
          expect(found).toContainEqual({
            steps,
            dropped: [],
            schedule: printSteps(steps),
            weights,
            way: "whole",
            count: 0,
          });
        }
        for (const { way, count, steps: left, dropped, halves: inHalves, schedule } of found) {
          expect(schedule).toBe(printSteps(left));
          expect(left.length).toBeGreaterThan(0);
          if (way === "whole") continue;
          // A pair is played as often and stored once.
          if (way === "share pairs") expect(blocks(left)).toBe(steps.length - count);
          else expect(halves(left).length).toBe(2 * (steps.length - count));
          expect(dropped.length).toBe(way === "share pairs" ? 0 : inHalves ? 2 * count : count);
        }
      }),
    );
  });

  it("try each way by the fewest steps that are enough", () => {
    fc.assert(
      fc.property(search, (given) => {
        const { ways, small, found } = searched(given);
        for (const { counts, by } of ways) {
          for (const weights of weightTypes) {
            const fewest = counts.find((count) => small(by(count), weights));
            if (fewest === undefined) continue;
            const schedule = printSteps(by(fewest).steps);
            expect(found.some((one) => one.schedule === schedule && one.weights === weights)).toBe(true);
          }
        }
      }),
    );
  });

  it("of a schedule of halves have no halves to drop", () => {
    const steps = halves(identitySteps(3));
    const ways = waysToShorten(steps, similarity(6, [0.1, 0.5, 0.2]), undefined);
    expect(ways.map(({ name }) => name)).toEqual(["angular", "influence", "share pairs", "angular, then share pairs"]);
  });

  describe("that change weights", () => {
    const make = () => Promise.reject(new Error("made"));
    const steps = identitySteps(10);
    /** Takes channels; all steps stay. */
    const width = (counts: readonly number[], dear = false): Way => ({
      name: "width",
      of: 100,
      counts,
      by: (count) => ({ steps, dropped: [count], make }),
      dear,
    });
    /** Of each candidate but the whole, what it took and in what it is kept. */
    const tried = (way: Way, small: (taken: number, weights: Weights) => boolean) =>
      candidates(steps, [way], [0.1, 0.3], ({ dropped }, weights) => small(dropped[0] ?? 0, weights))
        .filter(({ count }) => count > 0)
        .map(({ count, weights }) => [count, weights]);

    it("are told apart though they play one schedule, and are not made yet", () => {
      const found = candidates(steps, [width([32, 64]), { ...width([32]), name: "other" }], [0.1, 0.5], () => false);
      // In each type the whole, two widths and the other.
      expect(found).toHaveLength(3 * 4);
      expect(new Set(found.map(keyOf)).size).toBe(found.length);
    });

    it("take shares of what they take from, as near as they can, and the least that is enough", () => {
      const found = tried(width([8, 16, 24, 32, 64]), (taken, weights) => weights === "q4" && taken >= 20);
      expect(found).toEqual([
        [16, "f16"],
        [32, "f16"],
        [16, "q8"],
        [32, "q8"],
        [16, "q4"],
        [24, "q4"],
        [32, "q4"],
      ]);
    });

    it("are tried by the least alone, and not where the whole is small enough, if they are dear", () => {
      const small = (taken: number, weights: Weights) => weights === "q4" || (weights === "q8" && taken >= 20);
      expect(tried(width([8, 16, 24, 32], true), small)).toEqual([[24, "q8"]]);
    });
  });
});

describe("the front", () => {
  it("holds exactly what nothing else beats", () => {
    const point = fc.record({ bytes: fc.integer({ min: 1, max: 20 }), loss: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 30 }), (all) => {
        const front = all.filter((one) => onFront(all, one));
        expect(front.length).toBeGreaterThan(0);
        for (const a of front) {
          for (const b of all) if (b.bytes <= a.bytes && b.loss <= a.loss) expect(b).toEqual(a);
        }
        // Whatever is not on it is beaten by something that is.
        for (const a of all.filter((one) => !front.includes(one))) {
          expect(front.some((b) => b.bytes <= a.bytes && b.loss <= a.loss)).toBe(true);
        }
      }),
    );
  });
});
