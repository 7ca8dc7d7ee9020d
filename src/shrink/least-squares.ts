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

/** Rows of a product that are computed at once, while rows of the second factor are near. */
const ROWS = 8;

/** A B: [rows, inner] times [inner, columns]. */
export function multiply(a: Float64Array, b: Float64Array, inner: number, columns: number): Float64Array {
  const rows = a.length / inner;
  const product = new Float64Array(rows * columns);
  const row = (k: number) => b.subarray(k * columns, (k + 1) * columns);
  for (let first = 0; first < rows; first += ROWS) {
    const end = Math.min(first + ROWS, rows);
    // Four at a time: the sum is loaded and stored once for all of them.
    for (let k = 0; k < inner; k += 4) {
      const some = Math.min(4, inner - k);
      const [b0, b1, b2, b3] = [
        row(k),
        row(k + Math.min(1, some - 1)),
        row(k + Math.min(2, some - 1)),
        row(k + some - 1),
      ];
      for (let i = first; i < end; i++) {
        const to = product.subarray(i * columns, (i + 1) * columns);
        const a0 = a[i * inner + k]!;
        const a1 = some > 1 ? a[i * inner + k + 1]! : 0;
        const a2 = some > 2 ? a[i * inner + k + 2]! : 0;
        const a3 = some > 3 ? a[i * inner + k + 3]! : 0;
        for (let j = 0; j < columns; j++) to[j]! += a0 * b0[j]! + a1 * b1[j]! + a2 * b2[j]! + a3 * b3[j]!;
      }
    }
  }
  return product;
}

/**
 * H⁻¹ of H [n, n], which is symmetric and positive definite, by its quarters: with T = H₂₁ H₁₁⁻¹ and S = H₂₂ - T H₁₂
 *
 *     H⁻¹ = [ H₁₁⁻¹ + Tᵀ S⁻¹ T   -Tᵀ S⁻¹ ]
 *           [        -S⁻¹ T         S⁻¹  ]
 */
export function invert(h: Float64Array, n: number): Float64Array {
  if (n === 1) return Float64Array.of(1 / h[0]!);
  const m = n >> 1;
  const rest = n - m;
  const quarter = (top: number, left: number, rows: number, columns: number): Float64Array => {
    const part = new Float64Array(rows * columns);
    for (let i = 0; i < rows; i++)
      part.set(h.subarray((top + i) * n + left, (top + i) * n + left + columns), i * columns);
    return part;
  };
  const first = invert(quarter(0, 0, m, m), m);
  const t = multiply(quarter(m, 0, rest, m), first, m, m);
  const second = invert(difference(quarter(m, m, rest, rest), multiply(t, quarter(0, m, m, rest), m, rest)), rest);
  const cross = multiply(second, t, rest, m);
  const more = multiply(transpose(t, m), cross, rest, m);
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < m; j++) inverse[i * n + j] = first[i * m + j]! + more[i * m + j]!;
  for (let i = 0; i < rest; i++) {
    inverse.set(second.subarray(i * rest, (i + 1) * rest), (m + i) * n + m);
    for (let j = 0; j < m; j++) inverse[(m + i) * n + j] = inverse[j * n + m + i] = -cross[i * m + j]!;
  }
  return inverse;
}

const difference = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value - b[i]!);

function transpose(a: Float64Array, columns: number): Float64Array {
  const rows = a.length / columns;
  const turned = new Float64Array(a.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) turned[j * rows + i] = a[i * columns + j]!;
  return turned;
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
    const row = inverse.slice(gone * n, (gone + 1) * n);
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
    for (const i of kept) {
      const own = inverse.subarray(i * n, (i + 1) * n);
      const factor = row[i]! * over;
      for (let j = 0; j < n; j++) own[j]! -= factor * row[j]!;
      // What rounding leaves there would come back into the weights.
      own[gone] = 0;
    }
    inverse.fill(0, gone * n, (gone + 1) * n);
  }
  return { kept, growth };
}
