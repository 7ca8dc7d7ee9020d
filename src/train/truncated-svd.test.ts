import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../generate/random.ts";
import { type TruncatedSvd, truncatedSvd } from "./truncated-svd.ts";

const product = ({ u, s, v }: TruncatedSvd, rows: number, columns: number): number[] =>
  Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return u.reduce((sum, left, r) => sum + left[row]! * s[r]! * v[r]![column]!, 0);
  });
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.sqrt(Array.from(a).reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0));
const randomMatrix = (size: number, seed: number) => {
  const random = createRandom(seed);
  return Float64Array.from({ length: size }, () => 2 * random() - 1);
};
const sizes = fc.record({
  rows: fc.integer({ min: 1, max: 24 }),
  columns: fc.integer({ min: 1, max: 24 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

describe("truncated singular value decomposition", () => {
  it("of full rank gives the matrix again, with orthonormal vectors", () => {
    fc.assert(
      fc.property(sizes, ({ rows, columns, seed }) => {
        const matrix = randomMatrix(rows * columns, seed);
        const rank = Math.min(rows, columns);
        const svd = truncatedSvd(matrix, rows, columns, rank);
        expect(distance(product(svd, rows, columns), matrix)).toBeLessThan(1e-10 * (1 + svd.s[0]!));
        for (const vectors of [svd.u, svd.v]) {
          vectors.forEach((a, i) => {
            vectors.forEach((b, j) => {
              const dot = a.reduce((sum, x, k) => sum + x * b[k]!, 0);
              expect(Math.abs(dot - (i === j ? 1 : 0))).toBeLessThan(1e-9);
            });
          });
        }
        for (let i = 1; i < rank; i++) expect(svd.s[i]!).toBeLessThanOrEqual(svd.s[i - 1]!);
      }),
      { numRuns: 40 },
    );
  });

  it("of a matrix of lower rank leaves nothing over", () => {
    const [rows, columns, rank] = [60, 45, 4];
    const [left, right] = [randomMatrix(rows * rank, 1), randomMatrix(rank * columns, 2)];
    const matrix = Float64Array.from({ length: rows * columns }, (_, i) => {
      let sum = 0;
      for (let r = 0; r < rank; r++)
        sum += left[Math.floor(i / columns) * rank + r]! * right[r * columns + (i % columns)]!;
      return sum;
    });
    const svd = truncatedSvd(matrix, rows, columns, rank);
    expect(distance(product(svd, rows, columns), matrix)).toBeLessThan(1e-9);
    expect(truncatedSvd(matrix, rows, columns, 6).s[4]!).toBeLessThan(1e-9);
  });

  it("leaves hardly more than the best of its rank, in the worst case: values that do not fall off", () => {
    const [rows, columns, rank] = [160, 96, 8];
    const matrix = randomMatrix(rows * columns, 3);
    const { s } = truncatedSvd(matrix, rows, columns, columns);
    const best = Math.sqrt(s.subarray(rank).reduce((sum, value) => sum + value * value, 0));
    const left = distance(product(truncatedSvd(matrix, rows, columns, rank), rows, columns), matrix);
    expect(left / best).toBeLessThan(1.005);
  });

  it("of zeros is zero", () => {
    expect(truncatedSvd(new Float64Array(12), 3, 4, 2).s).toEqual(new Float64Array(2));
  });
});
