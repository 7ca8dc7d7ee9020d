/**
 * The gradients of the norms (backward/norm.ts has the equations). As there, sums over a row are taken in f64; sums over rows
 * are chains in the order of the rows. Padding columns of dx are written as zero.
 */
import { rowCount, slice, sliceColumns } from "./control";

// @ts-ignore: decorator
@inline
function at(x: usize, k: i32): f64 {
  return <f64>load<f32>(x + (<usize>k << 2));
}

/** 1 / √(mean(x²) + ε). */
function inverseRms(x: usize, width: i32, eps: f64): f64 {
  let sum: f64 = 0;
  for (let k = 0; k < width; k++) sum += at(x, k) * at(x, k);
  return 1 / Math.sqrt(sum / <f64>width + eps);
}

function meanOf(x: usize, width: i32): f64 {
  let sum: f64 = 0;
  for (let k = 0; k < width; k++) sum += at(x, k);
  return sum / <f64>width;
}

/** 1 / √(variance + ε). */
function inverseDeviation(x: usize, width: i32, mean: f64, eps: f64): f64 {
  let sum: f64 = 0;
  for (let k = 0; k < width; k++) sum += (at(x, k) - mean) * (at(x, k) - mean);
  return 1 / Math.sqrt(sum / <f64>width + eps);
}

/** Arguments: dy, x, w, dx, width of a head, heads, eps, stride of all three. */
export function rmsNormInput(i: usize, thread: i32, threads: i32): void {
  const w = <usize>load<i32>(i, 16), width = load<i32>(i, 24), heads = load<i32>(i, 28), eps = <f64>load<f32>(i, 32);
  const stride = <usize>load<i32>(i, 36), used = <usize>(heads * width) << 2, rows = rowCount(i);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const row = <usize>m * stride;
    for (let h = 0; h < heads; h++) {
      const offset = row + (<usize>(h * width) << 2);
      const dy = <usize>load<i32>(i, 8) + offset, x = <usize>load<i32>(i, 12) + offset, dx = <usize>load<i32>(i, 20) + offset;
      const inverse = inverseRms(x, width, eps);
      let dot: f64 = 0;
      for (let k = 0; k < width; k++) dot += at(dy, k) * at(w, k) * at(x, k);
      const back = dot * inverse * inverse / <f64>width;
      for (let k = 0; k < width; k++) store<f32>(dx + (<usize>k << 2), <f32>((at(dy, k) * at(w, k) - at(x, k) * back) * inverse));
    }
    memory.fill(<usize>load<i32>(i, 20) + row + used, 0, stride - used);
  }
}

/** Each thread its own columns of the weight. Arguments: dy, x, plus, dw, width of a head, padded, heads, eps, stride. */
export function rmsNormWeight(i: usize, thread: i32, threads: i32): void {
  const plus = <usize>load<i32>(i, 16), dw = <usize>load<i32>(i, 20), width = load<i32>(i, 24), padded = load<i32>(i, 28);
  const heads = load<i32>(i, 32), eps = <f64>load<f32>(i, 36), stride = <usize>load<i32>(i, 40), rows = rowCount(i);
  const first = sliceColumns(padded >> 5, thread, threads), last = min(width, sliceColumns(padded >> 5, thread + 1, threads));
  if (first >= last) return;
  begin(dw, plus, first, last);
  for (let m = 0; m < rows; m++) {
    for (let h = 0; h < heads; h++) {
      const offset = <usize>m * stride + (<usize>(h * width) << 2);
      const dy = <usize>load<i32>(i, 8) + offset, x = <usize>load<i32>(i, 12) + offset, inverse = inverseRms(x, width, eps);
      for (let k = first; k < last; k++) {
        const to = dw + (<usize>k << 2);
        store<f32>(to, load<f32>(to) + <f32>(at(dy, k) * at(x, k) * inverse));
      }
    }
  }
}

/** Arguments: dy, x, w, dx, width, eps, stride of all three. */
export function layerNormInput(i: usize, thread: i32, threads: i32): void {
  const w = <usize>load<i32>(i, 16), width = load<i32>(i, 24), eps = <f64>load<f32>(i, 28), stride = <usize>load<i32>(i, 32);
  const used = <usize>width << 2, rows = rowCount(i);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const offset = <usize>m * stride;
    const dy = <usize>load<i32>(i, 8) + offset, x = <usize>load<i32>(i, 12) + offset, dx = <usize>load<i32>(i, 20) + offset;
    const mean = meanOf(x, width), inverse = inverseDeviation(x, width, mean, eps);
    let sum: f64 = 0, dot: f64 = 0;
    for (let k = 0; k < width; k++) {
      const g = at(dy, k) * at(w, k);
      sum += g;
      dot += g * (at(x, k) - mean);
    }
    const middle = sum / <f64>width, back = dot * inverse * inverse / <f64>width;
    for (let k = 0; k < width; k++) {
      store<f32>(dx + (<usize>k << 2), <f32>((at(dy, k) * at(w, k) - middle - (at(x, k) - mean) * back) * inverse));
    }
    memory.fill(dx + used, 0, stride - used);
  }
}

/** Each thread its own columns of the weight. Arguments: dy, x, plus, dw, width, padded, eps, stride. */
export function layerNormWeight(i: usize, thread: i32, threads: i32): void {
  const plus = <usize>load<i32>(i, 16), dw = <usize>load<i32>(i, 20), width = load<i32>(i, 24), padded = load<i32>(i, 28);
  const eps = <f64>load<f32>(i, 32), stride = <usize>load<i32>(i, 36), rows = rowCount(i);
  const first = sliceColumns(padded >> 5, thread, threads), last = min(width, sliceColumns(padded >> 5, thread + 1, threads));
  if (first >= last) return;
  begin(dw, plus, first, last);
  for (let m = 0; m < rows; m++) {
    const dy = <usize>load<i32>(i, 8) + <usize>m * stride, x = <usize>load<i32>(i, 12) + <usize>m * stride;
    const mean = meanOf(x, width), inverse = inverseDeviation(x, width, mean, eps);
    for (let k = first; k < last; k++) {
      const to = dw + (<usize>k << 2);
      store<f32>(to, load<f32>(to) + <f32>(at(dy, k) * (at(x, k) - mean) * inverse));
    }
  }
}

/** What the sums of columns [first, last) start from. */
function begin(dw: usize, plus: usize, first: i32, last: i32): void {
  const from = <usize>first << 2, bytes = <usize>(last - first) << 2;
  if (plus) memory.copy(dw + from, plus + from, bytes);
  else memory.fill(dw + from, 0, bytes);
}
