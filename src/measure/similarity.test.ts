import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Similarity, SimilarityAccumulator } from "./similarity.ts";

/** One window of one token with the given states. */
function measure(states: readonly (readonly number[])[]): Similarity {
  const accumulator = new SimilarityAccumulator(states.length - 1, states[0]!.length);
  accumulator.add(
    states.map((state) => Float32Array.from(state)),
    1,
    true,
  );
  return accumulator.result();
}

describe("by hand", () => {
  it("two steps that each turn the state by a right angle", () => {
    const { influence, cosine, angular } = measure([
      [1, 0],
      [0, 2],
      [-3, 0],
    ]);
    expect(influence).toEqual([1, 1]);
    expect(cosine).toEqual([0, 0]);
    expect(angular).toEqual([[0.5, 0.5], [1]]);
  });

  it("a turn by 60° is a third of the way round", () => {
    const { influence, angular } = measure([
      [1, 0],
      [0.5, Math.sqrt(3) / 2],
    ]);
    expect(influence[0]).toBeCloseTo(0.5, 7);
    expect(angular[0]![0]).toBeCloseTo(1 / 3, 7);
  });

  it("a state that only grows has not turned, exactly", () => {
    const state = [0.1, -0.7, 0.33, 1e-3];
    const { influence, angular } = measure([state, state, state.map((x) => 4 * x)]);
    expect(influence).toEqual([0, 0]);
    expect(angular).toEqual([[0, 0], [0]]);
  });

  it("a zero vector: no change to another zero, a right angle to anything else", () => {
    const { cosine, angular } = measure([
      [0, 0],
      [0, 0],
      [1, 1],
    ]);
    expect(cosine).toEqual([1, 0]);
    expect(angular).toEqual([[0, 0.5], [0.5]]);
  });

  it("influence is a mean over tokens, angular distance only of the last token of each window", () => {
    const accumulator = new SimilarityAccumulator(1, 2);
    // The window comes in two chunks. Token 0 does not turn, token 1 turns by 90°, token 2 by 180°.
    accumulator.add([Float32Array.of(1, 0, 1, 0), Float32Array.of(1, 0, 0, 1)], 2, false);
    accumulator.add([Float32Array.of(1, 0), Float32Array.of(-1, 0)], 1, true);
    const { tokens, windows, influence, angular, standardErrors } = accumulator.result();
    expect({ tokens, windows, influence, angular }).toEqual({ tokens: 3, windows: 1, influence: [1], angular: [[1]] });
    expect(standardErrors).toBeUndefined();
  });

  it("standard errors: of two windows, half their difference", () => {
    const accumulator = new SimilarityAccumulator(1, 2);
    accumulator.add([Float32Array.of(1, 0), Float32Array.of(1, 0)], 1, true);
    accumulator.add([Float32Array.of(1, 0), Float32Array.of(0, 1)], 1, true);
    const { influence, angular, standardErrors } = accumulator.result();
    expect(influence).toEqual([0.5]);
    expect(angular).toEqual([[0.25]]);
    expect(standardErrors).toEqual({ influence: [0.5], angular: [[0.25]] });
  });

  it("reads only the rows it is told of", () => {
    const accumulator = new SimilarityAccumulator(1, 1);
    accumulator.add([Float32Array.of(1, Number.NaN), Float32Array.of(1, 5, 6)], 1, true);
    expect(accumulator.result().tokens).toBe(1);
  });
});

/** The definitions, written down without thought for speed. */
function slow(windows: readonly (readonly (readonly number[])[])[][], steps: number) {
  const cos = (a: readonly number[], b: readonly number[]) => {
    const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
    return dot(a, b) / (Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b)));
  };
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const tokens = windows.flat();
  return {
    influence: Array.from({ length: steps }, (_, i) =>
      mean(tokens.map((states) => 1 - cos(states[i]!, states[i + 1]!))),
    ),
    angular: Array.from({ length: steps }, (_, n) =>
      Array.from({ length: steps - n }, (_, l) =>
        mean(
          windows.map((window) => {
            const states = window.at(-1)!;
            return Math.acos(Math.min(1, Math.max(-1, cos(states[l]!, states[l + n + 1]!)))) / Math.PI;
          }),
        ),
      ),
    ),
  };
}

it("equals the definitions on random states, however the windows are cut into chunks", () => {
  const sizes = fc.record({
    steps: fc.integer({ min: 1, max: 6 }),
    width: fc.integer({ min: 1, max: 5 }),
    lengths: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
    cut: fc.integer({ min: 1, max: 3 }),
    seed: fc.integer(),
  });
  fc.assert(
    fc.property(sizes, ({ steps, width, lengths, cut, seed }) => {
      const random = noise(seed);
      const windows = lengths.map((length) =>
        Array.from({ length }, () =>
          Array.from({ length: steps + 1 }, () => Array.from({ length: width }, () => Math.fround(random()))),
        ),
      );
      const accumulator = new SimilarityAccumulator(steps, width);
      for (const window of windows) {
        for (let start = 0; start < window.length; start += cut) {
          const chunk = window.slice(start, start + cut);
          const hidden = Array.from({ length: steps + 1 }, (_, i) => Float32Array.from(chunk.flatMap((t) => t[i]!)));
          accumulator.add(hidden, chunk.length, start + cut >= window.length);
        }
      }
      const ours = accumulator.result();
      const expected = slow(windows, steps);
      ours.influence.forEach((value, i) => {
        expect(value).toBeCloseTo(expected.influence[i]!, 12);
      });
      ours.angular.flat().forEach((value, i) => {
        // arccos near ±1 turns a rounding error e into √(2e), so one bit of a double is 2e-8.
        expect(value).toBeCloseTo(expected.angular.flat()[i]!, 7);
      });
      expect(ours.standardErrors === undefined).toBe(lengths.length === 1);
    }),
    { numRuns: 200 },
  );
});

/** Numbers in -1…1 that a seed repeats. */
function noise(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31 || 1;
  };
}

describe("what it refuses", () => {
  const code = (expected: string) => expect.objectContaining({ code: expected });

  it.each([
    [0, "before step 0 (the embeddings)"],
    [1, "after step 0"],
    [2, "after step 1"],
  ])("NaN in state %i", (boundary, where) => {
    const states = [0, 1, 2].map((i) => (i === boundary ? [1, Number.NaN] : [1, 0]));
    expect(() => measure(states)).toThrow(code("similarity-not-finite"));
    expect(() => measure(states)).toThrow(where);
  });

  it("infinity", () => {
    expect(() => measure([[1], [Number.POSITIVE_INFINITY]])).toThrow("after step 0");
  });

  it("a missing state, a short state, no rows", () => {
    const one = Float32Array.of(1, 0);
    const accumulator = new SimilarityAccumulator(1, 2);
    expect(() => accumulator.add([one], 1, true)).toThrow(code("similarity-shape"));
    expect(() => accumulator.add([one, one], 2, true)).toThrow(code("similarity-shape"));
    expect(() => accumulator.add([one, one], 0, true)).toThrow(code("similarity-shape"));
  });

  it("a result without a complete window", () => {
    const accumulator = new SimilarityAccumulator(1, 1);
    expect(() => accumulator.result()).toThrow("no window");
    accumulator.add([Float32Array.of(1), Float32Array.of(1)], 1, true);
    accumulator.add([Float32Array.of(1), Float32Array.of(1)], 1, false);
    expect(() => accumulator.result()).toThrow(code("similarity-no-window"));
  });
});
