import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type RateOptions, rateSchedule } from "./rate.ts";

const run = { rate: 2, steps: 101, warmup: 0, cooldown: 20, final: 0.1 } as const;
const all = (options: RateOptions) => Array.from({ length: options.steps }, (_, step) => rateSchedule(options)(step));

describe("learning rates", () => {
  it("rise in the warm-up to the highest", () => {
    const rates = all({ ...run, shape: "constant", warmup: 3 });
    expect(rates.slice(0, 5)).toEqual([0.5, 1, 1.5, 2, 2]);
    expect(rates.at(-1)).toBe(2);
  });

  it("fall along a cosine", () => {
    const rates = all({ ...run, shape: "cosine" });
    expect(rates[0]).toBe(2);
    expect(rates[50]).toBeCloseTo(2 * 0.55, 12);
    expect(rates[25]).toBeCloseTo(2 * (0.1 + 0.9 * (0.5 + Math.SQRT1_2 / 2)), 12);
    expect(rates.at(-1)).toBeCloseTo(0.2, 12);
  });

  it("stay, and fall in the cooldown", () => {
    const rates = all({ ...run, shape: "warmup-stable-decay", final: 0 });
    expect(rates.slice(0, 82).every((rate) => rate === 2)).toBe(true);
    expect(rates[82]).toBeLessThan(2);
    expect(rates.at(-1)).toBe(0);
  });

  it("are above the final rate and never above the highest, in runs of any length", () => {
    const shape = fc.constantFrom("cosine" as const, "warmup-stable-decay" as const, "constant" as const);
    const options = fc.record({
      shape,
      rate: fc.double({ min: 1e-6, max: 1, noNaN: true }),
      steps: fc.integer({ min: 1, max: 300 }),
      warmup: fc.integer({ min: 0, max: 400 }),
      cooldown: fc.integer({ min: 1, max: 400 }),
      final: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(options, (o) => {
        const rates = all(o);
        const after = rates.slice(o.warmup);
        expect(Math.max(...rates)).toBeLessThanOrEqual(o.rate * (1 + 1e-12));
        expect(Math.min(...rates)).toBeGreaterThanOrEqual(0);
        for (const rate of after) expect(rate).toBeGreaterThanOrEqual(o.rate * o.final * (1 - 1e-12));
        for (const [i, rate] of after.slice(1).entries()) expect(rate).toBeLessThanOrEqual(after[i]! * (1 + 1e-12));
      }),
    );
  });
});
