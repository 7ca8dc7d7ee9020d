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
import type { MatrixProduct } from "../engine/wasm/matrix-product.ts";

/** Up to which H is inverted row by row. */
const SMALL = 32;

/** Columns that go before the matrices are brought up to date with them: what each of them changes is kept as factors until then. */
const TOGETHER = 32;

/**
 * H⁻¹ of H [n, n], which is symmetric and positive definite, by its quarters: with T = H₂₁ H₁₁⁻¹ and S = H₂₂ - T H₂₁ᵀ
 *
 *     H⁻¹ = [ H₁₁⁻¹ + Tᵀ S⁻¹ T   -Tᵀ S⁻¹ ]
 *           [        -S⁻¹ T         S⁻¹  ]
 *
 * Only the lower half of H is read, and the result is symmetric to the bit: a sum of products in float32 is not quite, and the
 * recursion would make more of it.
 */
export function invert(h: Float64Array, n: number, multiply: MatrixProduct): Float64Array {
  if (n <= SMALL) return invertSmall(h, n);
  const m = n >> 1;
  const rest = n - m;
  const quarter = (top: number, left: number, rows: number, columns: number): Float64Array => {
    const part = new Float64Array(rows * columns);
    for (let i = 0; i < rows; i++)
      part.set(h.subarray((top + i) * n + left, (top + i) * n + left + columns), i * columns);
    return part;
  };
  const first = invert(quarter(0, 0, m, m), m, multiply);
  const below = quarter(m, 0, rest, m);
  const t = multiply(below, first, m, m);
  const schur = subtract(quarter(m, m, rest, rest), multiply(t, transpose(below, m), m, rest));
  const second = invert(schur, rest, multiply);
  const cross = multiply(second, t, rest, m);
  const more = multiply(transpose(t, m), cross, rest, m);
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < m; i++) for (let j = 0; j <= i; j++) inverse[i * n + j] = first[i * m + j]! + more[i * m + j]!;
  for (let i = 0; i < rest; i++) {
    inverse.set(second.subarray(i * rest, (i + 1) * rest), (m + i) * n + m);
    for (let j = 0; j < m; j++) inverse[(m + i) * n + j] = -cross[i * m + j]!;
  }
  return mirrored(inverse, n);
}

/** Above the diagonal, what is below it. */
function mirrored(a: Float64Array, n: number): Float64Array {
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) a[j * n + i] = a[i * n + j]!;
  return a;
}

/** By Gauss and Jordan; a matrix that is positive definite needs no pivots. */
function invertSmall(h: Float64Array, n: number): Float64Array {
  const inverse = mirrored(h.slice(), n);
  for (let k = 0; k < n; k++) {
    const pivot = inverse.subarray(k * n, (k + 1) * n);
    const over = 1 / pivot[k]!;
    pivot[k] = 1;
    for (let j = 0; j < n; j++) pivot[j]! *= over;
    for (let i = 0; i < n; i++) {
      if (i === k) continue;
      const row = inverse.subarray(i * n, (i + 1) * n);
      const factor = row[k]!;
      row[k] = 0;
      addTo(row, -factor, pivot);
    }
  }
  return mirrored(inverse, n);
}

function subtract(a: Float64Array, b: Float64Array): Float64Array {
  for (let i = 0; i < a.length; i++) a[i]! -= b[i]!;
  return a;
}

/** y += factor · x */
function addTo(y: Float64Array, factor: number, x: Float64Array): void {
  for (let j = 0; j < y.length; j++) y[j]! += factor * x[j]!;
}

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
export function removeColumns(
  weights: Float64Array,
  inverse: Float64Array,
  n: number,
  count: number,
  multiply: MatrixProduct,
): Removed {
  const kept = Array.from({ length: n }, (_, i) => i);
  const growth: number[] = [];
  while (growth.length < count) removeSome(Math.min(TOGETHER, count - growth.length));
  return { kept, growth };

  function removeSome(some: number): void {
    const rows = weights.length / n;
    const gone: number[] = [];
    /** Of each that goes: its row of H⁻¹ as it is by then [some, n], that over H⁻¹_jj [n, some], and W_j / H⁻¹_jj [rows, some]. */
    const across = new Float64Array(some * n);
    const scaled = new Float64Array(n * some);
    const down = new Float64Array(rows * some);
    const diagonal = Float64Array.from({ length: n }, (_, j) => inverse[j * (n + 1)]!);
    const squares = new Float64Array(n);
    for (let at = 0; at < weights.length; at += n) for (let j = 0; j < n; j++) squares[j]! += weights[at + j]! ** 2;
    const grows = (column: number): number => squares[column]! / diagonal[column]!;
    for (let k = 0; k < some; k++) {
      const column = kept.reduce((least, one) => (grows(one) < grows(least) ? one : least));
      growth.push(grows(column));
      kept.splice(kept.indexOf(column), 1);
      const row = across.subarray(k * n, (k + 1) * n);
      row.set(inverse.subarray(column * n, (column + 1) * n));
      for (let i = 0; i < k; i++) addTo(row, -scaled[column * some + i]!, across.subarray(i * n, (i + 1) * n));
      // What rounding leaves there would come back into the weights.
      for (const one of gone) row[one] = 0;
      const over = 1 / row[column]!;
      const factors = new Float64Array(rows);
      for (let r = 0; r < rows; r++) {
        let value = weights[r * n + column]!;
        for (let i = 0; i < k; i++) value -= down[r * some + i]! * across[i * n + column]!;
        down[r * some + k] = factors[r] = value * over;
      }
      // ‖W_j - f r_j‖² = ‖W_j‖² - 2 r_j (W_j · f) + r_j² ‖f‖², where f r, with r the row of H⁻¹, is what W loses.
      const dots = new Float64Array(n);
      for (let r = 0; r < rows; r++) addTo(dots, factors[r]!, weights.subarray(r * n, (r + 1) * n));
      for (let i = 0; i < k; i++) {
        let overlap = 0;
        for (let r = 0; r < rows; r++) overlap += down[r * some + i]! * factors[r]!;
        addTo(dots, -overlap, across.subarray(i * n, (i + 1) * n));
      }
      let length = 0;
      for (const factor of factors) length += factor * factor;
      for (let j = 0; j < n; j++) {
        const value = row[j]!;
        scaled[j * some + k] = value * over;
        diagonal[j]! -= value * value * over;
        squares[j]! += value * (value * length - 2 * dots[j]!);
      }
      gone.push(column);
    }
    subtract(weights, multiply(down, across, some, n));
    subtract(inverse, multiply(scaled, across, some, n));
    for (const column of gone) {
      for (let r = 0; r < rows; r++) weights[r * n + column] = 0;
      for (let i = 0; i < n; i++) inverse[i * n + column] = inverse[column * n + i] = 0;
    }
  }
}
