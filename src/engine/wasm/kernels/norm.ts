/**
 * Normalizations over the last dimension. Sums are taken in f64: rows are short, and no accuracy is lost to their order.
 * Padding columns are written as zero.
 */
import { ownRow, rowCount, slice } from "./control";
import { alsoQuantize, wantsIntegers } from "./quantize";

/** Rows that a thread normalizes: its share, or the only one, into the row of its number (see FLAG_OWN_ROW). */
// @ts-ignore: decorator
@inline
function firstRow(i: usize, thread: i32, threads: i32): i32 {
  return ownRow(i) ? 0 : slice(rowCount(i), thread, threads);
}

// @ts-ignore: decorator
@inline
function lastRow(i: usize, thread: i32, threads: i32): i32 {
  return ownRow(i) ? 1 : slice(rowCount(i), thread + 1, threads);
}

/** y = x / sqrt(mean(x²) + eps) · w. Arguments: x, w, y, width, padded width, eps, x stride, y stride. */
export function rmsNorm(i: usize, thread: i32, threads: i32): void {
  const w = <usize>load<i32>(i, 12), width = load<i32>(i, 20), padded = load<i32>(i, 24), eps = load<f32>(i, 28);
  const xStride = <usize>load<i32>(i, 32), yStride = <usize>load<i32>(i, 36);
  for (let m = firstRow(i, thread, threads), end = lastRow(i, thread, threads); m < end; m++) {
    const to = ownRow(i) ? thread : m, y = <usize>load<i32>(i, 16) + <usize>to * yStride;
    rmsNormRow(<usize>load<i32>(i, 8) + <usize>m * xStride, w, y, width, padded, eps);
    if (wantsIntegers(i)) alsoQuantize(i, y, to, padded, 0, padded >> 5);
  }
}

// @ts-ignore: decorator
@inline
function widen(sum: v128, v: v128): v128 {
  const low = f64x2.promote_low_f32x4(v), high = f64x2.promote_low_f32x4(v128.shuffle<i32>(v, v, 2, 3, 2, 3));
  return f64x2.add(sum, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high)));
}

function rmsNormRow(x: usize, w: usize, y: usize, width: i32, padded: i32, eps: f32): void {
  let sums = f64x2.splat(0);
  let k = 0;
  for (; k + 4 <= width; k += 4) sums = widen(sums, v128.load(x + (<usize>k << 2)));
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  for (; k < width; k++) sum += <f64>load<f32>(x + (<usize>k << 2)) * <f64>load<f32>(x + (<usize>k << 2));
  const scale = <f32>(1 / Math.sqrt(sum / <f64>width + <f64>eps));
  const s = f32x4.splat(scale);
  for (k = 0; k + 4 <= width; k += 4) {
    const at = <usize>k << 2;
    v128.store(y + at, f32x4.mul(f32x4.mul(v128.load(x + at), s), v128.load(w + at)));
  }
  for (; k < width; k++) store<f32>(y + (<usize>k << 2), load<f32>(x + (<usize>k << 2)) * scale * load<f32>(w + (<usize>k << 2)));
  for (; k < padded; k++) store<f32>(y + (<usize>k << 2), 0);
}

/**
 * The same over each head of a row (Qwen 3's query and key norm), in place of the whole row.
 * Arguments: x, w, y, head width, heads, eps, x stride, y stride, padded row width.
 */
export function headNorm(i: usize, thread: i32, threads: i32): void {
  const w = <usize>load<i32>(i, 12), width = load<i32>(i, 20), heads = load<i32>(i, 24), eps = load<f32>(i, 28);
  const xStride = <usize>load<i32>(i, 32), yStride = <usize>load<i32>(i, 36), padded = load<i32>(i, 40), rows = rowCount(i);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const x = <usize>load<i32>(i, 8) + <usize>m * xStride, y = <usize>load<i32>(i, 16) + <usize>m * yStride;
    for (let h = 0; h < heads; h++) {
      const at = <usize>(h * width) << 2;
      rmsNormRow(x + at, w, y + at, width, width, eps);
    }
    for (let k = heads * width; k < padded; k++) store<f32>(y + (<usize>k << 2), 0);
  }
}

/** y = (x - mean) / sqrt(variance + eps) · w + b. Arguments: x, w, y, width, padded width, eps, x stride, y stride, b. */
export function layerNorm(i: usize, thread: i32, threads: i32): void {
  const w = <usize>load<i32>(i, 12), width = load<i32>(i, 20), padded = load<i32>(i, 24), eps = load<f32>(i, 28);
  const xStride = <usize>load<i32>(i, 32), yStride = <usize>load<i32>(i, 36), b = <usize>load<i32>(i, 40);
  for (let m = firstRow(i, thread, threads), end = lastRow(i, thread, threads); m < end; m++) {
    const to = ownRow(i) ? thread : m, x = <usize>load<i32>(i, 8) + <usize>m * xStride, y = <usize>load<i32>(i, 16) + <usize>to * yStride;
    let sum: f64 = 0, squares: f64 = 0;
    for (let k = 0; k < width; k++) sum += <f64>load<f32>(x + (<usize>k << 2));
    const mean = sum / <f64>width;
    for (let k = 0; k < width; k++) {
      const d = <f64>load<f32>(x + (<usize>k << 2)) - mean;
      squares += d * d;
    }
    const scale = 1 / Math.sqrt(squares / <f64>width + <f64>eps);
    for (let k = 0; k < width; k++) {
      const at = <usize>k << 2;
      store<f32>(y + at, <f32>((<f64>load<f32>(x + at) - mean) * scale) * load<f32>(w + at) + load<f32>(b + at));
    }
    for (let k = width; k < padded; k++) store<f32>(y + (<usize>k << 2), 0);
    if (wantsIntegers(i)) alsoQuantize(i, y, to, padded, 0, padded >> 5);
  }
}
