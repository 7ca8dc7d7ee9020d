import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { printSteps } from "../schedule/print.ts";
import { identitySteps } from "../schedule/schedule.ts";
import {
  type CollapseOptions,
  collapse,
  collapsedSteps,
  type Layer,
  layersOf,
  mergeLayers,
  merges,
} from "./collapse-layers.ts";

const options: CollapseOptions = { merge: "formula", group: 3, interval: 1, lowest: 0, highest: 7, threshold: 0.5 };
const layers = (count: number) => layersOf(identitySteps(count));

/** Weights of a layer when block i is theta[i]. */
const weightsOf = (layer: Layer, theta: readonly number[]) =>
  layer.weights.reduce((sum, { block, weight }) => sum + weight * theta[block]!, 0);

/** What the paper's formula and the authors' loop make of plain numbers, written down naively. */
function mergeNumbers(theta: readonly number[], at: number, count: number, how: CollapseOptions["merge"]): number[] {
  let merged = theta[at]!;
  for (let k = 1; k <= count; k++) merged += theta[at + k]! - (how === "formula" ? theta[at]! : merged);
  return [...theta.slice(0, at), merged, ...theta.slice(at + 1 + count)];
}

describe("a reserving-differences merge", () => {
  it.each(merges)("%s: is what the paper and its code compute, also of merged layers", (how) => {
    const theta = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 3, maxLength: 12 });
    fc.assert(
      fc.property(theta, fc.array(fc.tuple(fc.nat(), fc.nat(4)), { maxLength: 5 }), (numbers, merging) => {
        let [expected, actual]: [readonly number[], readonly Layer[]] = [numbers, layers(numbers.length)];
        for (const [where, many] of merging) {
          if (expected.length < 2) break;
          const at = where % (expected.length - 1);
          const count = Math.min(1 + many, expected.length - 1 - at);
          expected = mergeNumbers(expected, at, count, how);
          actual = mergeLayers(actual, at, count, how);
        }
        expect(actual.map((layer) => weightsOf(layer, numbers))).toEqual(expected.map((x) => x + 0));
        expect(actual.flatMap(({ members }) => members)).toEqual([...numbers.keys()]);
        expect(actual.map(({ norms }) => norms)).toEqual(
          actual.map(({ members }) => [{ block: members[0], weight: 1 }]),
        );
      }),
    );
  });

  it("keeps the last of the group, or adds up its differences", () => {
    expect(mergeLayers(layers(4), 1, 2, "keep-last")[1]!.weights).toEqual([{ block: 3, weight: 1 }]);
    expect(mergeLayers(layers(4), 1, 2, "formula")[1]!.weights).toEqual([
      { block: 1, weight: -1 },
      { block: 2, weight: 1 },
      { block: 3, weight: 1 },
    ]);
  });
});

describe("collapse", () => {
  it("tries, accepts, goes down by the interval, and stays within what is left", async () => {
    const answers = [0.6, 0.4, 0.5, 0.9, 0.1, 0.1];
    const seen: string[] = [];
    const { layers: left, trials } = await collapse(layers(8), { ...options, interval: 2 }, async (tried) => {
      seen.push(tried.map(({ members }) => members.join("+")).join(" "));
      return answers[seen.length - 1]!;
    });
    expect(trials.map(({ layer, merged, accepted }) => [layer, merged, accepted])).toEqual([
      [4, 2, true], // 8 layers become 6; 4 - 2 = 2
      [2, 2, false],
      [1, 2, false], // as similar as the threshold is not above it
      [0, 2, true],
    ]);
    expect(seen).toEqual(["0 1 2 3 4+5+6 7", "0 1 2+3+4+5+6 7", "0 1+2+3 4+5+6 7", "0+1+2 3 4+5+6 7"]);
    expect(left.map(({ members }) => members)).toEqual([[0, 1, 2], [3], [4, 5, 6], [7]]);
  });

  it("may reach the last layer after a merge, as the paper lets it", async () => {
    const { trials } = await collapse(layers(8), options, async () => 1);
    expect(trials.map(({ layer }) => layer)).toEqual([4, 3, 1]);
  });

  it("ends at the number of layers that it was told to drop", async () => {
    const { layers: left, trials } = await collapse(layers(8), { ...options, drop: 3 }, async () => 1);
    expect(left).toHaveLength(5);
    expect(trials.map(({ merged }) => merged)).toEqual([2, 1]);
  });

  it("never leaves its range, whatever the answers", async () => {
    const arbitrary = fc.record({
      count: fc.integer({ min: 2, max: 14 }),
      group: fc.integer({ min: 2, max: 5 }),
      interval: fc.integer({ min: 1, max: 4 }),
      merge: fc.constantFrom(...merges),
      answers: fc.infiniteStream(fc.double({ min: -1, max: 1, noNaN: true })),
    });
    await fc.assert(
      fc.asyncProperty(arbitrary, async ({ count, group, interval, merge, answers }) => {
        fc.pre(group <= count);
        const range = { merge, group, interval, lowest: 0, highest: count, threshold: 0 };
        const { layers: left, trials } = await collapse(layers(count), range, async () => answers.next().value);
        expect(left.flatMap(({ members }) => members)).toEqual([...Array(count).keys()]);
        const gone = trials.filter(({ accepted }) => accepted).reduce((sum, { merged }) => sum + merged, 0);
        expect(left).toHaveLength(count - gone);
      }),
    );
  });

  it.each([{ group: 1 }, { group: 8 }, { group: 2.5 }, { interval: 0 }, { lowest: -1 }, { highest: 9 }, { lowest: 5 }])(
    "refuses %o of 8 layers",
    async (wrong) => {
      const collapsing = collapse(layers(8), { ...options, ...wrong }, async () => 1);
      await expect(collapsing).rejects.toMatchObject({ kind: "input", code: "collapse-range" });
    },
  );

  it("refuses halves", () => {
    expect(() => layersOf([{ block: 0, part: "ffn" }])).toThrow(expect.objectContaining({ code: "collapse-halves" }));
  });

  it("puts what is new behind the source's blocks", () => {
    const merged = mergeLayers(mergeLayers(layers(6), 3, 1, "keep-last"), 0, 1, "formula");
    const { steps, mixes } = collapsedSteps(merged, identitySteps(6), 6);
    expect(printSteps(steps)).toBe("6 2 7 5");
    expect(mixes).toEqual([
      { attention: { weights: [{ block: 1, weight: 1 }], norms: [{ block: 0, weight: 1 }] }, ffn: expect.anything() },
      { attention: { weights: [{ block: 4, weight: 1 }], norms: [{ block: 3, weight: 1 }] }, ffn: expect.anything() },
    ]);
  });
});
