/**
 * The gradients of attention, causal or not, over the sequences of a play that begins at position 0 (backward/attention.ts has the equations).
 * q, k and v are the rows themselves, not the cache. Two instructions: one for q, which leaves the logarithm of each softmax's
 * sum and the mean of dp under it; one for k and v, which reads them. Each row and head of a result belongs to one thread, which
 * computes all of its sums; threads take every n-th row, since later rows see more, and earlier ones are seen by more.
 *
 * Scratch of a thread: two numbers for each row of the play, the first row on a whole vector.
 */
import { rowCount, sequenceLength } from "./control";
import { exp4, lanesum, madd } from "./simd";

/** Σ a · b over `bytes`. */
// @ts-ignore: decorator
@inline
function dot(a: usize, b: usize, bytes: usize): f32 {
  let sum = f32x4.splat(0), more = sum;
  let at: usize = 0;
  for (; at + 32 <= bytes; at += 32) {
    sum = madd(v128.load(a + at), v128.load(b + at), sum);
    more = madd(v128.load(a + at, 16), v128.load(b + at, 16), more);
  }
  if (at + 16 <= bytes) {
    sum = madd(v128.load(a + at), v128.load(b + at), sum);
    at += 16;
  }
  let total = lanesum(f32x4.add(sum, more));
  for (; at < bytes; at += 4) total += load<f32>(a + at) * load<f32>(b + at);
  return total;
}

/** y += factor · x over `bytes`. */
// @ts-ignore: decorator
@inline
function addScaled(y: usize, factor: f32, x: usize, bytes: usize): void {
  const f = f32x4.splat(factor);
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(y + at, madd(f, v128.load(x + at), v128.load(y + at)));
  for (; at < bytes; at += 4) store<f32>(y + at, load<f32>(y + at) + factor * load<f32>(x + at));
}

/**
 * A row: the gradient of q [heads][width], log-sums [heads], means [heads]. Arguments: dy, q, k, v, y, heads, kv heads, head
 * width, window (0: none, -1: whole sequence), q stride (dy's too), k stride (v's too), y stride, scratch, bytes of it a thread.
 */
export function attentionQueries(i: usize, thread: i32, threads: i32): void {
  const heads = load<i32>(i, 28), group = heads / load<i32>(i, 32), width = load<i32>(i, 36), window = load<i32>(i, 40);
  const stride = <usize>load<i32>(i, 44), kvStride = <usize>load<i32>(i, 48), yStride = <usize>load<i32>(i, 52);
  const k = <usize>load<i32>(i, 16), v = <usize>load<i32>(i, 20), rows = rowCount(i), length = sequenceLength(), bytes = <usize>width << 2;
  const scores = <usize>load<i32>(i, 56) + <usize>thread * <usize>load<i32>(i, 60), dps = scores + (<usize>((rows + 3) & ~3) << 2);
  const scale: f32 = 1 / Mathf.sqrt(<f32>width);
  for (let m = thread; m < rows; m += threads) {
    const y = <usize>load<i32>(i, 24) + <usize>m * yStride, logs = y + <usize>heads * bytes;
    const begin = m - m % length, first = window > 0 ? max(begin, m - window + 1) : begin, count = (window < 0 ? begin + length : m + 1) - first, end = <usize>count << 2;
    for (let h = 0; h < heads; h++) {
      const head = <usize>m * stride + <usize>h * bytes, kv = <usize>first * kvStride + <usize>(h / group) * bytes;
      const q = <usize>load<i32>(i, 12) + head, dy = <usize>load<i32>(i, 8) + head, dq = y + <usize>h * bytes;
      let most: f32 = -Infinity;
      for (let t = 0; t < count; t++) {
        const at = kv + <usize>t * kvStride, score = dot(q, k + at, bytes) * scale;
        store<f32>(scores + (<usize>t << 2), score);
        store<f32>(dps + (<usize>t << 2), dot(dy, v + at, bytes));
        most = max(most, score);
      }
      const top = f32x4.splat(most);
      for (let at: usize = 0; at < end; at += 16) v128.store(scores + at, exp4(f32x4.sub(v128.load(scores + at), top)));
      let sum: f64 = 0, mean: f64 = 0;
      for (let at: usize = 0; at < end; at += 4) {
        sum += <f64>load<f32>(scores + at);
        mean += <f64>load<f32>(scores + at) * <f64>load<f32>(dps + at);
      }
      mean /= sum;
      const inverse = <f32>(1 / sum) * scale;
      memory.fill(dq, 0, bytes);
      for (let t = 0; t < count; t++) {
        const ds = load<f32>(scores + (<usize>t << 2)) * (load<f32>(dps + (<usize>t << 2)) - <f32>mean) * inverse;
        addScaled(dq, ds, k + kv + <usize>t * kvStride, bytes);
      }
      store<f32>(logs + (<usize>h << 2), <f32>(Math.log(sum) + <f64>most));
      store<f32>(logs + (<usize>(heads + h) << 2), <f32>mean);
    }
    const used = <usize>heads * (bytes + 8);
    memory.fill(y + used, 0, yStride - used);
  }
}

/**
 * A row: the gradients of k [kv heads][width] and v [kv heads][width]. Arguments: dy, q, k, v, y, heads, kv heads, head width,
 * window (0: none, -1: whole sequence), what `attentionQueries` made, its stride, y stride, scratch, bytes of it a thread. The strides of the others
 * follow from the heads.
 */
export function attentionKeysValues(i: usize, thread: i32, threads: i32): void {
  const heads = load<i32>(i, 28), kvHeads = load<i32>(i, 32), width = load<i32>(i, 36), window = load<i32>(i, 40), group = heads / kvHeads;
  const queries = <usize>load<i32>(i, 44), queriesStride = <usize>load<i32>(i, 48), yStride = <usize>load<i32>(i, 52);
  const rows = rowCount(i), length = sequenceLength(), bytes = <usize>width << 2, stride = paddedRow(heads * width), kvStride = paddedRow(kvHeads * width);
  const scores = <usize>load<i32>(i, 56) + <usize>thread * <usize>load<i32>(i, 60), dps = scores + (<usize>((rows + 3) & ~3) << 2);
  const scale: f32 = 1 / Mathf.sqrt(<f32>width), used = <usize>kvHeads * bytes << 1;
  for (let t = thread; t < rows; t += threads) {
    const y = <usize>load<i32>(i, 24) + <usize>t * yStride, begin = t - t % length, last = begin + length;
    // Rows [from, end) see position t.
    const from = window < 0 ? begin : t, end = window > 0 ? min(last, t + window) : last, count = <usize>(end - from) << 2;
    memory.fill(y, 0, yStride);
    for (let h = 0; h < heads; h++) {
      const kv = <usize>(h / group) * bytes, dk = y + kv, dv = dk + (used >> 1);
      const k = <usize>load<i32>(i, 16) + <usize>t * kvStride + kv, v = <usize>load<i32>(i, 20) + <usize>t * kvStride + kv;
      const first = <usize>from * stride + <usize>h * bytes;
      const q = <usize>load<i32>(i, 12) + first, dy = <usize>load<i32>(i, 8) + first;
      const log = queries + <usize>from * queriesStride + <usize>heads * bytes + (<usize>h << 2), mean = log + (<usize>heads << 2);
      for (let m = 0; m < end - from; m++) {
        const row = <usize>m * stride, at = <usize>m << 2, one = <usize>m * queriesStride;
        store<f32>(scores + at, dot(q + row, k, bytes) * scale - load<f32>(log + one));
        store<f32>(dps + at, dot(dy + row, v, bytes) - load<f32>(mean + one));
      }
      for (let at: usize = 0; at < count; at += 16) v128.store(scores + at, exp4(v128.load(scores + at)));
      for (let m = 0; m < end - from; m++) {
        const row = <usize>m * stride, at = <usize>m << 2, p = load<f32>(scores + at);
        addScaled(dv, p, dy + row, bytes);
        addScaled(dk, p * load<f32>(dps + at) * scale, q + row, bytes);
      }
    }
  }
}

/** Bytes of a row of `width` numbers, padded to whole blocks of 32. */
// @ts-ignore: decorator
@inline
function paddedRow(width: i32): usize {
  return <usize>((width + 31) & ~31) << 2;
}
