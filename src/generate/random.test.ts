import { describe, expect, it } from "vitest";
import { createRandom, xoshiro128 } from "./random.ts";

describe("xoshiro128**", () => {
  it("gives the published sequence for the state 1 2 3 4", () => {
    const next = xoshiro128(Uint32Array.of(1, 2, 3, 4));
    // From the authors' C code (v1.1), as published in the tests of the Rust crate rand_xoshiro.
    const expected = [
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ];
    expect(expected.map(() => next())).toEqual(expected);
  });
});

describe("createRandom", () => {
  it("repeats itself for one seed and differs for others, beyond 32 bits too", () => {
    const first = (seed: number) => createRandom(seed)();
    expect(first(7)).toBe(first(7));
    expect(new Set([0, 1, 7, 2 ** 32, 2 ** 32 + 7, Number.MAX_SAFE_INTEGER].map(first)).size).toBe(6);
  });

  it("is uniform in [0, 1)", () => {
    const random = createRandom(42);
    const bins = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) bins[Math.floor(random() * 10)]!++;
    // Standard deviation 95.
    for (const bin of bins) expect(Math.abs(bin - 10_000)).toBeLessThan(500);
  });
});
