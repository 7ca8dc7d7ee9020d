/**
 * Losses against a teacher, row by row: the divergence of its distribution from the student's, the distance between two hidden
 * states. A row whose target is negative has no loss and gets no gradient.
 */
import { rowCount, slice } from "./control";
import { exp1, exp4, lanemax } from "./simd";

/** The largest of `classes` numbers. */
// @ts-ignore: decorator
@inline
function largest(x: usize, classes: i32): f32 {
  const whole = classes & ~3;
  let most4 = f32x4.splat(-Infinity);
  for (let k = 0; k < whole; k += 4) most4 = f32x4.max(most4, v128.load(x + (<usize>k << 2)));
  let most = lanemax(most4);
  for (let k = whole; k < classes; k++) most = max(most, load<f32>(x + (<usize>k << 2)));
  return most;
}

// @ts-ignore: decorator
@inline
function low(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}

// @ts-ignore: decorator
@inline
function high(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i32>(v, v, 2, 3, 2, 3));
}

// @ts-ignore: decorator
@inline
function total(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}

/** Σ e^((x - most) / T), in f64: 50,000 small terms. */
// @ts-ignore: decorator
@inline
function sumOfExponentials(x: usize, classes: i32, most: f32, inverse: f32): f64 {
  const whole = classes & ~3, top = f32x4.splat(most), scale = f32x4.splat(inverse);
  let sums = f64x2.splat(0);
  for (let k = 0; k < whole; k += 4) {
    const e = exp4(f32x4.mul(f32x4.sub(v128.load(x + (<usize>k << 2)), top), scale));
    sums = f64x2.add(sums, f64x2.add(low(e), high(e)));
  }
  let sum = total(sums);
  for (let k = whole; k < classes; k++) sum += <f64>exp1((load<f32>(x + (<usize>k << 2)) - most) * inverse);
  return sum;
}

/**
 * T² · Σ p (log p - log q), p = softmax(t / T) and q = softmax(s / T): with a = (t - max t) / T and b = (s - max s) / T it is
 * T² · (Σ e^a (a - b) / Σ e^a - log Σ e^a + log Σ e^b). Arguments: s, t, targets, y (one f32 a row), classes, row stride, 1 / T.
 */
export function distill(i: usize, thread: i32, threads: i32): void {
  const classes = load<i32>(i, 24), stride = <usize>load<i32>(i, 28), inverse = load<f32>(i, 32), rows = rowCount(i);
  const whole = classes & ~3, scale = f32x4.splat(inverse);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const s = <usize>load<i32>(i, 8) + <usize>m * stride, t = <usize>load<i32>(i, 12) + <usize>m * stride;
    const y = <usize>load<i32>(i, 20) + (<usize>m << 2);
    if (load<i32>(<usize>load<i32>(i, 16) + (<usize>m << 2)) < 0) {
      store<f32>(y, 0);
      continue;
    }
    const mostS = largest(s, classes), mostT = largest(t, classes), topS = f32x4.splat(mostS), topT = f32x4.splat(mostT);
    let sums = f64x2.splat(0), products = f64x2.splat(0);
    for (let k = 0; k < whole; k += 4) {
      const at = <usize>k << 2, a = f32x4.mul(f32x4.sub(v128.load(t + at), topT), scale), e = exp4(a);
      const p = f32x4.mul(e, f32x4.sub(a, f32x4.mul(f32x4.sub(v128.load(s + at), topS), scale)));
      sums = f64x2.add(sums, f64x2.add(low(e), high(e)));
      products = f64x2.add(products, f64x2.add(low(p), high(p)));
    }
    let sum = total(sums), product = total(products);
    for (let k = whole; k < classes; k++) {
      const at = <usize>k << 2, a = (load<f32>(t + at) - mostT) * inverse, e = exp1(a);
      sum += <f64>e;
      product += <f64>(e * (a - (load<f32>(s + at) - mostS) * inverse));
    }
    const divergence = product / sum - Math.log(sum) + Math.log(sumOfExponentials(s, classes, mostS, inverse));
    store<f32>(y, <f32>(divergence / (<f64>inverse * <f64>inverse)));
  }
}

/**
 * ds = dy · T · (softmax(s / T) - softmax(t / T)), zeros in the padding; it may take the place of t.
 * Arguments: dy (one f32 a row), s, t, targets, ds, classes, row stride, 1 / T.
 */
export function distillInput(i: usize, thread: i32, threads: i32): void {
  const classes = load<i32>(i, 28), stride = <usize>load<i32>(i, 32), inverse = load<f32>(i, 36), rows = rowCount(i);
  const bytes = <usize>classes << 2, scale = f32x4.splat(inverse);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const s = <usize>load<i32>(i, 12) + <usize>m * stride, t = <usize>load<i32>(i, 16) + <usize>m * stride, ds = <usize>load<i32>(i, 24) + <usize>m * stride;
    if (load<i32>(<usize>load<i32>(i, 20) + (<usize>m << 2)) < 0) {
      memory.fill(ds, 0, stride);
      continue;
    }
    const dy = <f64>load<f32>(<usize>load<i32>(i, 8) + (<usize>m << 2)) / <f64>inverse;
    const mostS = largest(s, classes), mostT = largest(t, classes), topS = f32x4.splat(mostS), topT = f32x4.splat(mostT);
    const ofS = f32x4.splat(<f32>(dy / sumOfExponentials(s, classes, mostS, inverse)));
    const ofT = f32x4.splat(<f32>(dy / sumOfExponentials(t, classes, mostT, inverse)));
    for (let k: usize = 0; k < bytes; k += 16) {
      const q = f32x4.mul(ofS, exp4(f32x4.mul(f32x4.sub(v128.load(s + k), topS), scale)));
      const p = f32x4.mul(ofT, exp4(f32x4.mul(f32x4.sub(v128.load(t + k), topT), scale)));
      v128.store(ds + k, f32x4.sub(q, p));
    }
    memory.fill(ds + bytes, 0, stride - bytes);
  }
}

/** The mean of (x - t)² over a row. Arguments: x, t, targets, y (one f32 a row), width, row stride. */
export function meanSquares(i: usize, thread: i32, threads: i32): void {
  const width = load<i32>(i, 24), stride = <usize>load<i32>(i, 28), rows = rowCount(i);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const x = <usize>load<i32>(i, 8) + <usize>m * stride, t = <usize>load<i32>(i, 12) + <usize>m * stride;
    const y = <usize>load<i32>(i, 20) + (<usize>m << 2);
    if (load<i32>(<usize>load<i32>(i, 16) + (<usize>m << 2)) < 0) {
      store<f32>(y, 0);
      continue;
    }
    let sums = f64x2.splat(0);
    // The padding is zeros in both.
    for (let k: usize = 0; k < stride; k += 16) {
      const d = f32x4.sub(v128.load(x + k), v128.load(t + k)), square = f32x4.mul(d, d);
      sums = f64x2.add(sums, f64x2.add(low(square), high(square)));
    }
    store<f32>(y, <f32>(total(sums) / <f64>width));
  }
}

/** dx = dy · 2 / width · (x - t); it may take the place of t. Arguments: dy (one f32 a row), x, t, targets, dx, width, row stride. */
export function meanSquaresInput(i: usize, thread: i32, threads: i32): void {
  const width = load<i32>(i, 28), stride = <usize>load<i32>(i, 32), rows = rowCount(i);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const x = <usize>load<i32>(i, 12) + <usize>m * stride, t = <usize>load<i32>(i, 16) + <usize>m * stride, dx = <usize>load<i32>(i, 24) + <usize>m * stride;
    if (load<i32>(<usize>load<i32>(i, 20) + (<usize>m << 2)) < 0) {
      memory.fill(dx, 0, stride);
      continue;
    }
    const factor = f32x4.splat(load<f32>(<usize>load<i32>(i, 8) + (<usize>m << 2)) * 2 / <f32>width);
    for (let k: usize = 0; k < stride; k += 16) v128.store(dx + k, f32x4.mul(factor, f32x4.sub(v128.load(x + k), v128.load(t + k))));
  }
}
