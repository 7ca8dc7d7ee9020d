/**
 * The matrix W [rows, n] whose outputs W z are nearest to given ones, and what is best for it when some of its columns go. With
 *
 *     Q(W) = Σ w ‖t - W z‖² + λ ‖W - W₀‖²,    H = Σ w z zᵀ + λ I,    C = Σ w (t - W₀ z) zᵀ
 *
 * Q is least at W₀ + C H⁻¹. Without column j it is least, and has grown by so much, at
 *
 *     W - W_j H⁻¹_j: / H⁻¹_jj,                 ‖W_j‖² / H⁻¹_jj
 *
 * which is Optimal Brain Surgeon for columns (OBC, arXiv 2208.11580, equations 4 and 5; ZipLM, arXiv 2302.04089, equation 2). All in float64.
 */

/**
 * H⁻¹ in place of H, which is symmetric and positive definite: sweeps of one row after another, without pivots (Goodnight 1979). What
 * stands in between is symmetric, too, so half of it is enough.
 */
export function invert(h: Float64Array, n: number): void {
  for (let k = 0; k < n; k++) {
    const row = symmetricRow(h, n, k);
    const over = 1 / row[k]!;
    subtractOuter(h, n, row, over);
    for (let j = 0; j < n; j++) h[lower(j, k, n)] = row[j]! * over;
    h[lower(k, k, n)] = -over;
  }
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) h[j * n + i] = h[i * n + j] = -h[i * n + j]!;
  }
}

/** Where element (i, j) of a symmetric matrix stands in its lower half. */
const lower = (i: number, j: number, n: number): number => Math.max(i, j) * n + Math.min(i, j);

/** From the lower half. */
const symmetricRow = (h: Float64Array, n: number, k: number): Float64Array =>
  Float64Array.from({ length: n }, (_, j) => h[lower(k, j, n)]!);

/** H - factor · row rowᵀ, in the lower half. */
function subtractOuter(h: Float64Array, n: number, row: Float64Array, factor: number): void {
  for (let i = 0; i < n; i++) {
    const own = h.subarray(i * n, i * n + i + 1);
    const scaled = factor * row[i]!;
    if (scaled === 0) continue;
    for (let j = 0; j <= i; j++) own[j]! -= scaled * row[j]!;
  }
}

/** Rows that are computed at once, while a row of H is near. */
const ROWS = 8;

/** M H [rows, n] for a symmetric H. */
export function timesSymmetric(m: ArrayLike<number>, h: ArrayLike<number>, n: number): Float64Array {
  const product = new Float64Array(m.length);
  const from = new Float64Array(n);
  for (let first = 0; first < m.length; first += ROWS * n) {
    const end = Math.min(first + ROWS * n, m.length);
    for (let k = 0; k < n; k++) {
      for (let j = 0; j < n; j++) from[j] = h[k * n + j]!;
      for (let at = first; at < end; at += n) {
        const to = product.subarray(at, at + n);
        const factor = m[at + k]!;
        for (let j = 0; j < n; j++) to[j]! += factor * from[j]!;
      }
    }
  }
  return product;
}

export interface Removed {
  /** Columns that stay, ascending. */
  readonly kept: readonly number[];
  /** By how much Q grew with each column that went, in the order in which they went. */
  readonly growth: readonly number[];
}

/**
 * Takes `count` columns away, one after another the one that Q grows by least for; `weights` becomes best for those that stay, zero
 * in those that went. `inverse` is used up.
 */
export function removeColumns(weights: Float64Array, inverse: Float64Array, n: number, count: number): Removed {
  const kept = Array.from({ length: n }, (_, i) => i);
  const growth: number[] = [];
  const squares = new Float64Array(n);
  for (const [i, value] of weights.entries()) squares[i % n]! += value * value;
  while (growth.length < count) {
    const grows = (column: number): number => squares[column]! / inverse[column * n + column]!;
    const gone = kept.reduce((least, column) => (grows(column) < grows(least) ? column : least));
    growth.push(grows(gone));
    kept.splice(kept.indexOf(gone), 1);
    const row = symmetricRow(inverse, n, gone);
    const over = 1 / row[gone]!;
    squares.fill(0);
    for (let at = 0; at < weights.length; at += n) {
      const own = weights.subarray(at, at + n);
      const factor = own[gone]! * over;
      for (let j = 0; j < n; j++) {
        const value = own[j]! - factor * row[j]!;
        own[j] = value;
        squares[j]! += value * value;
      }
      own[gone] = 0;
    }
    subtractOuter(inverse, n, row, over);
    // What rounding leaves there would come back into the weights.
    for (let j = 0; j < n; j++) inverse[lower(gone, j, n)] = 0;
  }
  return { kept, growth };
}
