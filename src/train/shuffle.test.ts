import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shuffled } from "./shuffle.ts";

const order = (n: number, seed: number) => Array.from({ length: n }, (_, i) => shuffled(i, n, seed));

describe("shuffling without memory", () => {
  it("gives every place once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), fc.nat(2 ** 52), (n, seed) => {
        expect(order(n, seed).sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      }),
    );
  });

  it("is the same for the same seed and another for another", () => {
    expect(order(1000, 7)).toEqual(order(1000, 7));
    expect(order(1000, 7)).not.toEqual(order(1000, 8));
    expect(order(1000, 1)).not.toEqual(order(1000, 1 + 2 ** 32));
  });

  it("leaves no order: neighbors are as far apart as chance puts them", () => {
    const n = 4096;
    const drawn = order(n, 3);
    const steps = drawn.slice(1).map((value, i) => Math.abs(value - drawn[i]!));
    const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
    // n / 3 for a random permutation; its standard error here is about 15.
    expect(Math.abs(mean - n / 3)).toBeLessThan(100);
    expect(drawn.filter((value, i) => value === i).length).toBeLessThan(12);
  });

  it("stays within very many", () => {
    for (const index of [0, 1, 10 ** 12, 4 * 10 ** 15 - 1]) {
      const value = shuffled(index, 4 * 10 ** 15, 5);
      expect(Number.isSafeInteger(value) && value >= 0 && value < 4 * 10 ** 15).toBe(true);
    }
  });
});
