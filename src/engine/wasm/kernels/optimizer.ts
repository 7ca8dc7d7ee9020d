/**
 * What an optimizer does, element by element on f32 as they lie in memory: how rows are grouped does not matter, and padding,
 * whose gradient is zero, stays zero. Threads divide the numbers; each sum is one thread's, whatever their number.
 */
import { slice } from "./control";

/** Numbers of a sum of `squares`. */
const CHUNK: i32 = 4096;

/** Σ x² of each 4096 numbers, f64. Arguments: x, count (a multiple of 16), sums. */
export function squares(i: usize, thread: i32, threads: i32): void {
  const x = <usize>load<i32>(i, 8), count = load<i32>(i, 12), sums = <usize>load<i32>(i, 16), chunks = (count + CHUNK - 1) / CHUNK;
  for (let chunk = slice(chunks, thread, threads), last = slice(chunks, thread + 1, threads); chunk < last; chunk++) {
    const end = x + (<usize>min(count, (chunk + 1) * CHUNK) << 2);
    let a = f64x2.splat(0), b = a;
    for (let at = x + (<usize>(chunk * CHUNK) << 2); at < end; at += 16) {
      const v = v128.load(at), low = f64x2.promote_low_f32x4(v), high = f64x2.promote_low_f32x4(v128.shuffle<i32>(v, v, 2, 3, 2, 3));
      a = f64x2.add(a, f64x2.mul(low, low));
      b = f64x2.add(b, f64x2.mul(high, high));
    }
    a = f64x2.add(a, b);
    store<f64>(sums + (<usize>chunk << 3), f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1));
  }
}

/**
 * A step of AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2) on a parameter w and its gradient g, which becomes 0:
 *
 *   g' = clip · g;   m += (1 - β1) (g' - m);   v = β2 v + (1 - β2) g'²;   w = shrink · w - step · m / (√v · root + ε)
 *
 * where step = rate / (1 - β1^t), root = 1 / √(1 - β2^t) and shrink = 1 - rate · decay.
 * Arguments: w, g, m, v, count (a multiple of 16), clip, 1 - β1, β2, 1 - β2, step, root, ε, shrink.
 */
export function adamw(i: usize, thread: i32, threads: i32): void {
  const w = <usize>load<i32>(i, 8), g = <usize>load<i32>(i, 12), m = <usize>load<i32>(i, 16), v = <usize>load<i32>(i, 20);
  const lines = load<i32>(i, 24) >> 4, clip = v128.load32_splat(i, 28), first = v128.load32_splat(i, 32);
  const keep = v128.load32_splat(i, 36), second = v128.load32_splat(i, 40), step = v128.load32_splat(i, 44);
  const root = v128.load32_splat(i, 48), epsilon = v128.load32_splat(i, 52), shrink = v128.load32_splat(i, 56);
  const zero = f32x4.splat(0), end = <usize>slice(lines, thread + 1, threads) << 6;
  for (let at = <usize>slice(lines, thread, threads) << 6; at < end; at += 16) {
    const gradient = f32x4.mul(v128.load(g + at), clip), before = v128.load(m + at);
    const mean = f32x4.add(before, f32x4.mul(first, f32x4.sub(gradient, before)));
    const square = f32x4.add(f32x4.mul(keep, v128.load(v + at)), f32x4.mul(second, f32x4.mul(gradient, gradient)));
    const move = f32x4.div(f32x4.mul(step, mean), f32x4.add(f32x4.mul(f32x4.sqrt(square), root), epsilon));
    v128.store(w + at, f32x4.sub(f32x4.mul(shrink, v128.load(w + at)), move));
    v128.store(m + at, mean);
    v128.store(v + at, square);
    v128.store(g + at, zero);
  }
}
