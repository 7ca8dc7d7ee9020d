/**
 * Cross-entropy of each row of logits against its target: log Σ e^x - x[target], in nats.
 * Arguments: logits, targets (i32 each), y (one f32 a row), classes, row stride.
 */
import { rowCount, slice } from "./control";
import { exp1, exp4, lanemax } from "./simd";

export function crossEntropy(i: usize, thread: i32, threads: i32): void {
  const classes = load<i32>(i, 20), stride = <usize>load<i32>(i, 24), rows = rowCount(i);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const x = <usize>load<i32>(i, 8) + <usize>m * stride;
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
    const target = load<f32>(x + (<usize>load<i32>(<usize>load<i32>(i, 12) + (<usize>m << 2)) << 2));
    store<f32>(<usize>load<i32>(i, 16) + (<usize>m << 2), <f32>(Math.log(sum) + <f64>most - <f64>target));
  }
}
