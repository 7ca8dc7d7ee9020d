/**
 * Cross-entropy of each row of logits against its target: log Σ e^x - x[target], in nats; 0 where the target is negative.
 * Arguments: logits, targets (i32 each), y (one f32 a row), classes, row stride.
 */
import { SHARE, rowCount, slice } from "./control";
import { exp1, exp4, lanemax } from "./simd";

export function crossEntropy(i: usize, thread: i32, threads: i32): void {
  const classes = load<i32>(i, 20), stride = <usize>load<i32>(i, 24), rows = rowCount(i);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const x = <usize>load<i32>(i, 8) + <usize>m * stride;
    const target = load<i32>(<usize>load<i32>(i, 12) + (<usize>m << 2)), y = <usize>load<i32>(i, 16) + (<usize>m << 2);
    if (target < 0) {
      store<f32>(y, 0);
      continue;
    }
    const whole = classes & ~3;
    let most4 = f32x4.splat(-Infinity);
    for (let k = 0; k < whole; k += 4) most4 = f32x4.max(most4, v128.load(x + (<usize>k << 2)));
    let most = lanemax(most4);
    for (let k = whole; k < classes; k++) most = max(most, load<f32>(x + (<usize>k << 2)));
    const top = f32x4.splat(most);
    // f64: 50,000 small terms in f32 would cost the third decimal of a perplexity.
    let sums = f64x2.splat(0);
    for (let k = 0; k < whole; k += 4) {
      const e = exp4(f32x4.sub(v128.load(x + (<usize>k << 2)), top));
      sums = f64x2.add(sums, f64x2.add(f64x2.promote_low_f32x4(e), f64x2.promote_low_f32x4(v128.shuffle<i32>(e, e, 2, 3, 2, 3))));
    }
    let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
    for (let k = whole; k < classes; k++) sum += <f64>exp1(load<f32>(x + (<usize>k << 2)) - most);
    store<f32>(y, <f32>(Math.log(sum) + <f64>most - <f64>load<f32>(x + (<usize>target << 2))));
  }
}

/** Rows that have a target, of `count`. */
// @ts-ignore: decorator
@inline
function targeted(targets: usize, count: i32): i32 {
  let n = 0;
  for (let m = 0; m < count; m++) n += load<i32>(targets + (<usize>m << 2)) >= 0 ? 1 : 0;
  return n;
}

/** weight · the mean of the losses of rows that have a target (0 if none has), + plus. Arguments: losses, targets, y, weight, plus. */
export function mean(i: usize, thread: i32, threads: i32): void {
  if (thread != 0) return;
  const losses = <usize>load<i32>(i, 8), targets = <usize>load<i32>(i, 12), rows = rowCount(i);
  let sum: f64 = 0;
  for (let m = 0; m < rows; m++) sum += <f64>load<f32>(losses + (<usize>m << 2));
  const mean = <f64>load<f32>(i, 20) * (sum / <f64>max(1, targeted(targets, rows))), plus = <usize>load<i32>(i, 24);
  store<f32>(<usize>load<i32>(i, 16), <f32>(plus ? mean + <f64>load<f32>(plus) : mean));
}

/** The gradient of the play's share of that mean with respect to each row's loss. Arguments: targets, y (one f32 a row), weight. */
export function meanInput(i: usize, thread: i32, threads: i32): void {
  const targets = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 12), rows = rowCount(i);
  const share = load<f32>(SHARE) * load<f32>(i, 16) / <f32>max(1, targeted(targets, rows));
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    store<f32>(y + (<usize>m << 2), load<i32>(targets + (<usize>m << 2)) >= 0 ? share : 0);
  }
}

/**
 * dx = dy · (softmax(x) - the target's one), row by row, zeros in the padding.
 * Arguments: dy (one f32 a row), x, targets, dx, classes, row stride.
 */
export function crossEntropyInput(i: usize, thread: i32, threads: i32): void {
  const classes = load<i32>(i, 24), stride = <usize>load<i32>(i, 28), bytes = <usize>classes << 2, rows = rowCount(i);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const x = <usize>load<i32>(i, 12) + <usize>m * stride, dx = <usize>load<i32>(i, 20) + <usize>m * stride;
    const target = load<i32>(<usize>load<i32>(i, 16) + (<usize>m << 2)), dy = load<f32>(<usize>load<i32>(i, 8) + (<usize>m << 2));
    if (target < 0) {
      memory.fill(dx, 0, stride);
      continue;
    }
    let most: f32 = -Infinity;
    for (let k: usize = 0; k < bytes; k += 4) most = max(most, load<f32>(x + k));
    const top = f32x4.splat(most);
    let sum: f64 = 0;
    // The padding's terms are computed too, but not counted, and become zeros below.
    for (let k: usize = 0; k < stride; k += 16) {
      const e = exp4(f32x4.sub(v128.load(x + k), top));
      v128.store(dx + k, e);
    }
    for (let k: usize = 0; k < bytes; k += 4) sum += <f64>load<f32>(dx + k);
    const scale = f32x4.splat(<f32>(<f64>dy / sum));
    for (let k: usize = 0; k < bytes; k += 16) v128.store(dx + k, f32x4.mul(v128.load(dx + k), scale));
    memory.fill(dx + bytes, 0, stride - bytes);
    const one = dx + (<usize>target << 2);
    store<f32>(one, load<f32>(one) - dy);
  }
}
