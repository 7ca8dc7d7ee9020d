import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plainProduct as multiply } from "../engine/wasm/matrix-product.testing.ts";
import { invert, removeColumns } from "./least-squares.ts";

const number = fc.double({ min: -2, max: 2, noNaN: true });
/** Inputs z and targets t, beginning weights and a ridge. */
const problems = fc
  .record({
    rows: fc.integer({ min: 1, max: 3 }),
    n: fc.integer({ min: 1, max: 6 }),
    count: fc.integer({ min: 1, max: 12 }),
  })
  .chain(({ rows, n, count }) =>
    fc.record({
      rows: fc.constant(rows),
      n: fc.constant(n),
      inputs: fc.array(fc.array(number, { minLength: n, maxLength: n }), { minLength: count, maxLength: count }),
      targets: fc.array(fc.array(number, { minLength: rows, maxLength: rows }), { minLength: count, maxLength: count }),
      weights: fc.array(number, { minLength: rows * n, maxLength: rows * n }),
      ridge: fc.double({ min: 0.1, max: 1, noNaN: true }),
    }),
  );
type Problem = typeof problems extends fc.Arbitrary<infer T> ? T : never;

function equations({ rows, n, inputs, targets, weights, ridge }: Problem) {
  const h = new Float64Array(n * n);
  const cross = new Float64Array(rows * n);
  for (let i = 0; i < n; i++) h[i * n + i] = ridge;
  for (const [k, z] of inputs.entries()) {
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) h[i * n + j]! += z[i]! * z[j]!;
    for (let r = 0; r < rows; r++) {
      const gap = z.reduce((sum, value, j) => sum - weights[r * n + j]! * value, targets[k]![r]!);
      for (let j = 0; j < n; j++) cross[r * n + j]! += gap * z[j]!;
    }
  }
  return { h, cross };
}

/** Q itself. */
function missed({ rows, n, inputs, targets, weights, ridge }: Problem, w: ArrayLike<number>): number {
  let sum = 0;
  for (const [k, z] of inputs.entries()) {
    for (let r = 0; r < rows; r++)
      sum += z.reduce((gap, value, j) => gap - w[r * n + j]! * value, targets[k]![r]!) ** 2;
  }
  return weights.reduce((all, was, i) => all + ridge * (was - w[i]!) ** 2, sum);
}

/** The gradient of Q, in the columns of `kept`, by central differences: exact for a quadratic. */
function slopes(problem: Problem, w: Float64Array, kept: readonly number[]): number[] {
  return Array.from(w.keys())
    .filter((i) => kept.includes(i % problem.n))
    .map((i) => {
      const at = (step: number) =>
        missed(
          problem,
          w.map((value, j) => (j === i ? value + step : value)),
        );
      return (at(0.5) - at(-0.5)) / 1;
    });
}

function solve(problem: Problem) {
  const { h, cross } = equations(problem);
  const inverse = invert(h, problem.n, multiply);
  return {
    inverse,
    best: multiply(cross, inverse, problem.n, problem.n).map((change, i) => problem.weights[i]! + change),
  };
}

describe("least squares", () => {
  it("inverts", () => {
    fc.assert(
      fc.property(problems, (problem) => {
        const { n } = problem;
        const { h } = equations(problem);
        const inverse = invert(h, n, multiply);
        for (let i = 0; i < n; i++) {
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let k = 0; k < n; k++) sum += h[i * n + k]! * inverse[k * n + j]!;
            expect(sum).toBeCloseTo(i === j ? 1 : 0, 8);
          }
        }
      }),
    );
  });

  it("inverts what float32 has summed up, which is not quite symmetric, as if it were", () => {
    const n = 300;
    // Most of it along few directions, as hidden states are.
    const rows = Array.from({ length: 500 }, (_, k) =>
      Array.from({ length: n }, (_, j) => 3 * Math.sin(k + j / 40) + Math.cos(k * j)),
    );
    const exact = new Float64Array(n * n);
    for (const row of rows) for (let i = 0; i < n * n; i++) exact[i]! += row[Math.floor(i / n)]! * row[i % n]!;
    for (let i = 0; i < n; i++) exact[i * (n + 1)]! += 5;
    const summed = exact.map((value, i) => value * (1 + 1e-7 * Math.sin(i)));
    const inverse = invert(summed, n, multiply);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++) {
        expect(inverse[i * n + j]).toBe(inverse[j * n + i]);
        summed[j * n + i] = summed[i * n + j]!;
      }
    }
    const unit = multiply(summed, inverse, n, n);
    let furthest = 0;
    for (const [i, value] of unit.entries())
      furthest = Math.max(furthest, Math.abs(value - (i % (n + 1) === 0 ? 1 : 0)));
    expect(furthest).toBeLessThan(1e-8);
  });

  it("finds where the sum of squares has no slope", () => {
    fc.assert(
      fc.property(problems, (problem) => {
        const { best } = solve(problem);
        for (const slope of slopes(problem, best, [...Array(problem.n).keys()])) expect(slope).toBeCloseTo(0, 6);
      }),
    );
  });

  it("takes columns away, each the one that costs least, and what stays is the best without them", () => {
    fc.assert(
      fc.property(problems, fc.integer({ min: 0, max: 6 }), (problem, wanted) => {
        const { n } = problem;
        const count = Math.min(wanted, n);
        const { inverse, best } = solve(problem);
        const before = missed(problem, best);
        const { kept, growth } = removeColumns(best, inverse, n, count, multiply);
        expect(kept).toHaveLength(n - count);
        for (const [i, value] of best.entries()) if (!kept.includes(i % n)) expect(value).toBe(0);
        expect(missed(problem, best) - before).toBeCloseTo(
          growth.reduce((sum, each) => sum + each, 0),
          6,
        );
        for (const slope of slopes(problem, best, kept)) expect(slope).toBeCloseTo(0, 6);
        if (count === 0) return;
        const alone = Array.from({ length: n }, (_, column) => {
          const { inverse, best } = solve(problem);
          const own = best.slice();
          const scale = inverse[column * n + column]!;
          for (let i = 0; i < own.length; i++) {
            own[i]! -= (best[i - (i % n) + column]! * inverse[column * n + (i % n)]!) / scale;
          }
          return missed(problem, own) - before;
        });
        expect(growth[0]).toBeCloseTo(Math.min(...alone), 6);
      }),
    );
  });

  it("does both for more columns than are computed at once, as formulas (4) and (5) of OBC say, one after another", () => {
    const [rows, n, count] = [5, 150, 71];
    const inputs = Array.from({ length: 400 }, (_, k) =>
      Array.from({ length: n }, (_, j) => Math.sin(k * (j + 1)) + 0.3),
    );
    const targets = inputs.map((_, k) => Array.from({ length: rows }, (_, r) => Math.cos(k + r)));
    const weights = Array.from({ length: rows * n }, (_, i) => Math.cos(i * i));
    const { inverse, best } = solve({ rows, n, inputs, targets, weights, ridge: 0.5 });
    const [w, h] = [best.slice(), inverse.slice()];
    const gone: number[] = [];
    const cost = (j: number) => w.reduce((sum, value, i) => sum + (i % n === j ? value ** 2 : 0), 0) / h[j * n + j]!;
    const costs: number[] = [];
    while (gone.length < count) {
      const left = [...Array(n).keys()].filter((j) => !gone.includes(j));
      const j = left.reduce((least, one) => (cost(one) < cost(least) ? one : least));
      costs.push(cost(j));
      gone.push(j);
      const row = h.slice(j * n, (j + 1) * n);
      const column = w.filter((_, i) => i % n === j);
      for (let i = 0; i < w.length; i++) w[i]! -= (column[Math.floor(i / n)]! * row[i % n]!) / row[j]!;
      for (let i = 0; i < h.length; i++) h[i]! -= (row[Math.floor(i / n)]! * row[i % n]!) / row[j]!;
    }
    const { kept, growth } = removeColumns(best, inverse, n, count, multiply);
    expect([...Array(n).keys()].filter((j) => !kept.includes(j))).toEqual([...gone].sort((a, b) => a - b));
    for (const [i, each] of growth.entries()) expect(each).toBeCloseTo(costs[i]!, 8);
    for (const [i, value] of best.entries()) expect(value).toBeCloseTo(kept.includes(i % n) ? w[i]! : 0, 8);
  });
});
