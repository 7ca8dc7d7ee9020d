import { describe, expect, it } from "vitest";
import {
  answers,
  chance,
  figure,
  mean,
  meanOfFigures,
  pairedDifference,
  predicted,
  type ScoredItem,
} from "./metrics.ts";

function scored(
  logLikelihoods: readonly number[],
  lengths: readonly number[],
  gold: number,
  greedy = false,
): ScoredItem {
  return {
    item: { requests: lengths.map(() => ({ context: "c", continuation: " d" })), gold, lengths },
    scores: logLikelihoods.map((logLikelihood) => ({ logLikelihood, greedy })),
  };
}

describe("metrics", () => {
  it("acc takes the likeliest choice, acc_norm the likeliest by its length, of equals the first", () => {
    const item = scored([-10, -12, -12], [2, 6, 6], 1);
    expect(predicted(item, "acc")).toBe(0);
    expect(predicted(item, "acc_norm")).toBe(1);
  });

  it("accuracy has the standard error of a mean", () => {
    const items = [1, 0, 0, 0].map((gold) => scored([-1, -2], [1, 1], gold));
    expect(figure("acc", items)).toEqual({ value: 0.75, standardError: 0.25 });
    expect(figure("acc", items.slice(0, 1)).standardError).toBeNaN();
  });

  it("a difference between models has the error of what they differ in", () => {
    const items = [1, 0, 0, 0].map((gold) => scored([-1, -2], [1, 1], gold));
    expect(answers("acc", items)).toBe("0111");
    // The same items missed, however many, leave nothing to chance.
    expect(pairedDifference("0111", "0111")).toEqual({ value: 0, standardError: 0 });
    const { value, standardError } = pairedDifference("0111", "0010");
    expect(value).toBe(-0.5);
    expect(standardError).toBeCloseTo(Math.sqrt(1 / 3 / 4), 12);
    expect(pairedDifference("1", "0")).toEqual({ value: -1, standardError: Number.NaN });
  });

  it("with one request, right is what greedy decoding gives", () => {
    const items = [scored([-1], [1], 0, true), scored([-3], [1], 0, false)];
    expect(figure("acc", items).value).toBe(0.5);
    expect(chance(items)).toBe(0);
  });

  it("perplexity is exp of the mean loss of an item", () => {
    const { value, standardError } = figure("perplexity", [scored([-1], [1], 0), scored([-3], [1], 0)]);
    expect(value).toBeCloseTo(Math.exp(2), 10);
    expect(standardError).toBeCloseTo(Math.exp(2), 10);
  });

  it("chance goes by the choices of each item", () => {
    expect(chance([scored([1, 2], [1, 1], 0), scored([1, 2, 3, 4], [1, 1, 1, 1], 0)])).toBe(0.375);
  });

  it("the error of a mean of figures adds up as of independent ones", () => {
    const { value, standardError } = meanOfFigures([mean([0, 1]), { value: 1, standardError: 0 }]);
    expect(value).toBe(0.75);
    expect(standardError).toBeCloseTo(0.25, 12);
  });
});
