/**
 * The largest singular values of a matrix and their vectors, W ≈ U S Vᵀ: randomized subspace iteration (Halko, Martinsson & Tropp
 * 2011, arXiv 0909.4061, algorithms 4.4 and 5.1), and one-sided Jacobi (Hestenes 1958) for the small matrix that is left.
 * Everything is in float64; vectors lie one after another, so that every loop runs along memory.
 */
import { createRandom } from "../generate/random.ts";

export interface TruncatedSvd {
  /** `rank` left vectors of length `rows`. */
  readonly u: readonly Float64Array[];
  /** Descending. */
  readonly s: Float64Array;
  /** `rank` right vectors of length `columns`. */
  readonly v: readonly Float64Array[];
}

/** Vectors beyond the rank, and passes over the matrix: what they cost in accuracy is in the test. */
const OVERSAMPLING = 8;
const ITERATIONS = 3;

/** @param matrix row-major [rows, columns]. @param rank at most the smaller of the two. The same for the same seed. */
export function truncatedSvd(
  matrix: ArrayLike<number>,
  rows: number,
  columns: number,
  rank: number,
  seed = 1,
): TruncatedSvd {
  const a = Array.from({ length: rows }, (_, i) =>
    Float64Array.from({ length: columns }, (_, c) => matrix[i * columns + c]!),
  );
  const size = Math.min(rank + OVERSAMPLING, rows, columns);
  let q: Float64Array[];
  if (size === rows) {
    q = Array.from({ length: rows }, (_, i) => Float64Array.from({ length: rows }, (_, c) => (c === i ? 1 : 0)));
  } else {
    const random = createRandom(seed);
    q = timesRows(
      a,
      Array.from({ length: size }, () => Float64Array.from({ length: columns }, () => gaussian(random))),
    );
    for (let i = 0; i < ITERATIONS; i++) q = timesRows(a, orthonormal(timesColumns(orthonormal(q), a)));
    orthonormal(q);
  }
  // W ≈ Q (Qᵀ W): rotations make the rows of Qᵀ W orthogonal, and turn Q along.
  const v = timesColumns(q, a);
  jacobi(v, q);
  const s = v.map(length);
  const order = s.map((_, i) => i).sort((i, j) => s[j]! - s[i]!);
  const chosen = order.slice(0, rank);
  return {
    u: chosen.map((i) => q[i]!),
    s: Float64Array.from(chosen, (i) => s[i]!),
    v: chosen.map((i) => v[i]!.map((x) => (s[i]! > 0 ? x / s[i]! : 0))),
  };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

const length = (a: Float64Array): number => Math.sqrt(dot(a, a));

/** y += factor · x */
function addTo(y: Float64Array, factor: number, x: Float64Array): void {
  for (let i = 0; i < y.length; i++) y[i]! += factor * x[i]!;
}

/** W x for each x. */
const timesRows = (a: readonly Float64Array[], x: readonly Float64Array[]): Float64Array[] =>
  x.map((vector) => Float64Array.from(a, (row) => dot(row, vector)));

/** Wᵀ q for each q. */
function timesColumns(q: readonly Float64Array[], a: readonly Float64Array[]): Float64Array[] {
  return q.map((vector) => {
    const y = new Float64Array(a[0]!.length);
    for (const [i, row] of a.entries()) addTo(y, vector[i]!, row);
    return y;
  });
}

/** Gram-Schmidt, twice for each vector, in place; what is not independent of those before it becomes zero. */
function orthonormal(vectors: Float64Array[]): Float64Array[] {
  for (const [i, vector] of vectors.entries()) {
    const before = length(vector);
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) addTo(vector, -dot(vector, vectors[j]!), vectors[j]!);
    }
    const left = length(vector);
    const scale = left > 1e-12 * before ? 1 / left : 0;
    for (let k = 0; k < vector.length; k++) vector[k]! *= scale;
  }
  return vectors;
}

/** Turns pairs of `rows` until all are orthogonal, and pairs of `others` by the same angles. */
function jacobi(rows: readonly Float64Array[], others: readonly Float64Array[]): void {
  for (let sweep = 0, turned = true; turned && sweep < 60; sweep++) {
    turned = false;
    for (let i = 0; i < rows.length; i++) {
      for (let j = i + 1; j < rows.length; j++) {
        const [x, y] = [rows[i]!, rows[j]!];
        const [xx, yy, xy] = [dot(x, x), dot(y, y), dot(x, y)];
        if (Math.abs(xy) <= 1e-14 * Math.sqrt(xx * yy)) continue;
        turned = true;
        const zeta = (yy - xx) / (2 * xy);
        const tangent = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        const cosine = 1 / Math.sqrt(1 + tangent * tangent);
        rotate(x, y, cosine, cosine * tangent);
        rotate(others[i]!, others[j]!, cosine, cosine * tangent);
      }
    }
  }
}

function rotate(x: Float64Array, y: Float64Array, cosine: number, sine: number): void {
  for (let k = 0; k < x.length; k++) {
    const [a, b] = [x[k]!, y[k]!];
    x[k] = cosine * a - sine * b;
    y[k] = sine * a + cosine * b;
  }
}

/** Box & Muller 1958. */
const gaussian = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
