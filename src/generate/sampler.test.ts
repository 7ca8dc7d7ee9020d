import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "./random.ts";
import { createSampler, type SamplerOptions } from "./sampler.ts";

const logitsOf = (...values: number[]) => Float32Array.from(values);

/** The documented steps, one after the other, on a sorted list. */
function slowly(logits: Float32Array, recent: readonly number[], options: Required<SamplerOptions>, random: number) {
  const penalty = options.repetitionPenalty;
  const penalized = Array.from(logits, (l, id) => (recent.includes(id) ? (l < 0 ? l * penalty : l / penalty) : l));
  const highest = Math.max(...penalized);
  let list = penalized.map((logit, id) => ({ id, logit, weight: Math.exp((logit - highest) / options.temperature) }));
  // By logit, as transformers does: two that differ in their last digits can have one weight.
  list.sort((a, b) => b.logit - a.logit || a.id - b.id);
  if (options.topK > 0) list = list.slice(0, options.topK);
  const mass = list.reduce((sum, { weight }) => sum + weight, 0);
  let before = 0;
  if (options.topP < 1) {
    list = list.filter(({ weight }) => {
      before += weight;
      return before - weight < options.topP * mass;
    });
  }
  list = list.filter(({ weight }) => weight >= options.minP);
  let left = random * list.reduce((sum, { weight }) => sum + weight, 0);
  const chosen = list.find(({ weight }) => {
    left -= weight;
    return left < 0;
  });
  return { kept: list.map(({ id }) => id), chosen: chosen?.id };
}

const logits = fc
  .array(fc.float({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 60 })
  .map((values) => Float32Array.from(values));

/** Irregular, so that no cumulative sum falls on the bound exactly, where the order of summation would count. */
const share = fc.integer({ min: 1, max: 996 }).map((n) => n / 997);

const options = fc.record({
  temperature: fc.constantFrom(0.2, 0.8, 1, 3),
  topK: fc.constantFrom(0, 1, 3, 10, 1000),
  topP: fc.oneof(fc.constant(1), share),
  minP: fc.oneof(fc.constant(0), share),
  repetitionPenalty: fc.constantFrom(1, 1.3, 0.7),
  seed: fc.nat(),
});

describe("createSampler against a full sort", () => {
  it("draws the same token where the order is the same", () => {
    fc.assert(
      fc.property(logits, fc.array(fc.nat(70), { maxLength: 8 }), options, (values, recent, chosen) => {
        fc.pre(chosen.topK > 0 || chosen.topP < 1);
        const expected = slowly(values, recent, chosen, createRandom(chosen.seed)());
        expect(createSampler(chosen)(values, recent)).toBe(expected.chosen);
      }),
      { numRuns: 2000 },
    );
  });

  it("draws only tokens that the filters leave", () => {
    fc.assert(
      fc.property(logits, options, (values, chosen) => {
        const { kept } = slowly(values, [], { ...chosen, repetitionPenalty: 1 }, 0);
        const sample = createSampler({ ...chosen, repetitionPenalty: 1 });
        for (let i = 0; i < 20; i++) expect(kept).toContain(sample(values, []));
      }),
      { numRuns: 300 },
    );
  });

  it("agrees on a vocabulary of 50,000", () => {
    const random = createRandom(1);
    const values = Float32Array.from({ length: 50_000 }, () => random() * 12);
    for (const topK of [0, 40]) {
      for (let seed = 0; seed < 5; seed++) {
        const chosen = { temperature: 0.9, topK, topP: 0.913, minP: 0.01, repetitionPenalty: 1.1, seed };
        const expected = slowly(values, [3, 5], chosen, createRandom(seed)());
        expect(createSampler(chosen)(values, [3, 5])).toBe(expected.chosen);
      }
    }
  });
});

describe("createSampler", () => {
  it("takes the highest logit at temperature 0, the lowest id among equals", () => {
    expect(createSampler({ temperature: 0 })(logitsOf(1, 5, 2, 5), [])).toBe(1);
  });

  it("follows the probabilities", () => {
    const sample = createSampler({ temperature: 1, seed: 3 });
    const values = logitsOf(Math.log(0.5), Math.log(0.3), Math.log(0.2));
    const counts = [0, 0, 0];
    for (let i = 0; i < 20_000; i++) counts[sample(values, [])]!++;
    // Standard deviation at most 71.
    expect(Math.abs(counts[0]! - 10_000)).toBeLessThan(350);
    expect(Math.abs(counts[1]! - 6_000)).toBeLessThan(350);
  });

  it("gives the same tokens for the same seed", () => {
    const values = Float32Array.from({ length: 100 }, (_, id) => Math.sin(id));
    const run = (seed: number) => {
      const sample = createSampler({ seed });
      return Array.from({ length: 20 }, () => sample(values, []));
    };
    expect(run(5)).toEqual(run(5));
    expect(run(5)).not.toEqual(run(6));
  });

  it("penalizes each recent token once, whatever its sign, and ignores ids outside the vocabulary", () => {
    const greedy = createSampler({ temperature: 0, repetitionPenalty: 2 });
    expect(greedy(logitsOf(4, 3), [0, 0, 0])).toBe(1);
    expect(greedy(logitsOf(4, 1.5), [0, 0, 9])).toBe(0);
    expect(greedy(logitsOf(-1, -1.5), [0])).toBe(1);
  });

  it("leaves the logits as they are", () => {
    const values = logitsOf(4, 3);
    createSampler({ repetitionPenalty: 2 })(values, [0]);
    expect([...values]).toEqual([4, 3]);
  });

  it("never draws a token whose logit is -Infinity", () => {
    const sample = createSampler({ temperature: 1 });
    for (let i = 0; i < 50; i++) expect(sample(logitsOf(-Infinity, 1, -Infinity), [])).toBe(1);
  });

  it("fails for logits that are no numbers", () => {
    const sample = createSampler();
    expect(() => sample(logitsOf(1, Number.NaN), [])).toThrow("NaN as the logit of token 1");
    expect(() => sample(logitsOf(Infinity, 1), [])).toThrow("Infinity as the logit of token 0");
    expect(() => sample(logitsOf(-Infinity, -Infinity), [])).toThrow("none of the 2 logits");
    expect(() => createSampler({ temperature: 0 })(logitsOf(Number.NaN), [])).toThrow("NaN");
  });

  it.each([
    [{ temperature: -0.1 }, "temperature is -0.1; it should be a number from 0 to 100"],
    [{ temperature: Number.NaN }, "temperature is NaN"],
    [{ temperature: 101 }, "temperature is 101"],
    [{ topK: 1.5 }, "topK is 1.5; it should be an integer from 0 (off)"],
    [{ topK: -1 }, "topK is -1"],
    [{ topP: 0 }, "topP is 0; it should be a number above 0, to 1 (off)"],
    [{ topP: 1.1 }, "topP is 1.1"],
    [{ minP: 1.1 }, "minP is 1.1; it should be a number from 0 (off) to 1"],
    [{ repetitionPenalty: 0 }, "repetitionPenalty is 0; it should be a number above 0, to 10"],
    [{ repetitionPenalty: 11 }, "repetitionPenalty is 11"],
    [{ seed: -1 }, "seed is -1; it should be an integer from 0"],
    [{ seed: 0.5 }, "seed is 0.5"],
  ])("refuses %o", (bad, message) => {
    expect(() => createSampler(bad)).toThrow(expect.objectContaining({ kind: "input", code: "sampling-option" }));
    expect(() => createSampler(bad)).toThrow(message);
  });
});
