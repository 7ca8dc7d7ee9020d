import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Masking, mask, maskBatch } from "./masking.ts";

const MASK = 4;
const masking = (units: "tokens" | "spans"): Masking => ({
  mask: MASK,
  vocabSize: 500,
  units,
  special: new Set([0, 1]),
});
const sequence = (length: number) => Int32Array.from({ length }, (_, i) => (i % 50 === 0 ? 0 : 5 + ((i * 31) % 400)));

const count = (values: Int32Array, is: (value: number, i: number) => boolean): number => values.filter(is).length;

describe.each(["tokens", "spans"] as const)("%s", (units) => {
  it("of 15 % that are chosen, 8 in 10 are masked, 1 in 10 replaced and 1 in 10 left; nothing else changes", () => {
    const given = sequence(40_000);
    const { tokens, targets } = mask(given, masking(units), 7);
    const chosen = count(targets, (target) => target >= 0);
    expect(chosen).toBe(Math.round(0.15 * count(given, (token) => token !== 0)));
    expect(targets.every((target, i) => target === -1 || target === given[i])).toBe(true);
    expect(tokens.every((token, i) => targets[i]! >= 0 || token === given[i])).toBe(true);
    const share = (is: (value: number, i: number) => boolean) =>
      count(tokens, (token, i) => targets[i]! >= 0 && is(token, i)) / chosen;
    expect(share((token) => token === MASK)).toBeCloseTo(0.8, 1);
    expect(share((token, i) => token !== MASK && token !== given[i])).toBeCloseTo(0.1, 1);
    expect(share((token, i) => token === given[i])).toBeCloseTo(0.1, 1);
    expect(count(targets, (target) => target === 0)).toBe(0);
  });

  it("the same seed gives the same masks, another one others", () => {
    const given = sequence(200);
    expect(mask(given, masking(units), 3)).toEqual(mask(given, masking(units), 3));
    expect(mask(given, masking(units), 3)).not.toEqual(mask(given, masking(units), 4));
  });

  it("at least one token is predicted, and never a special one, however short the sequence is", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 40 }), fc.integer({ min: 0 }), (ids, seed) => {
        const { targets } = mask(ids, masking(units), seed);
        const free = ids.filter((id) => id > 1 && id !== MASK).length;
        expect(count(targets, (target) => target >= 0)).toBe(
          free === 0 ? 0 : Math.min(free, Math.max(1, Math.round(0.15 * free))),
        );
        expect(targets.every((target) => target === -1 || (target > 1 && target !== MASK))).toBe(true);
      }),
    );
  });
});

it("spans are mostly 1, 2 and 3 long, in the ratio of 1/n", () => {
  const given = Int32Array.from({ length: 200_000 }, (_, i) => 5 + (i % 400));
  // So few that spans hardly meet.
  const { targets } = mask(given, { ...masking("spans"), share: 0.01 }, 1);
  const lengths = [0, 0, 0, 0, 0];
  let run = 0;
  for (const target of targets) {
    if (target >= 0) run++;
    else if (run > 0) {
      lengths[Math.min(run, 4)]!++;
      run = 0;
    }
  }
  const [, one, two, three, more] = lengths as [number, number, number, number, number];
  const all = one + two + three + more;
  expect(one / all).toBeCloseTo(6 / 11, 1);
  expect(two / all).toBeCloseTo(3 / 11, 1);
  expect(three / all).toBeCloseTo(2 / 11, 1);
  expect(more / all).toBeLessThan(0.05);
});

it("the sequences of a batch are masked each by itself", () => {
  const given = [...sequence(60), ...sequence(60)];
  const { tokens, targets } = maskBatch(given, 60, masking("tokens"), 5);
  expect(tokens.length).toBe(120);
  for (const part of [targets.subarray(0, 60), targets.subarray(60)]) expect(count(part, (t) => t >= 0)).toBe(9);
  expect(targets.slice(0, 60)).not.toEqual(targets.slice(60));
});

it("a mask that is no token is refused", () => {
  expect(() => mask([1], { mask: 9, vocabSize: 9 }, 0)).toThrow(expect.objectContaining({ code: "mask-token" }));
});
