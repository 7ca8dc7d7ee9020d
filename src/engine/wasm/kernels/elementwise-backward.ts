/** The gradients of what works element by element, over whole padded rows, and of what moves elements. */
import { TAIL, rowCount, rows, slice, sliceColumns } from "./control";
import { exp4 } from "./simd";

/** dy · b · σ(a) · (1 + a (1 - σ(a))). Arguments: dy, a, b, y, padded width. */
export function swigluGate(i: usize, thread: i32, threads: i32): void {
  const dy = <usize>load<i32>(i, 8), a = <usize>load<i32>(i, 12), b = <usize>load<i32>(i, 16), y = <usize>load<i32>(i, 20);
  const K = load<i32>(i, 24), count = rowCount(i), one = f32x4.splat(1);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) {
      const v = v128.load(a + at), sigmoid = f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(v))));
      const slope = f32x4.mul(sigmoid, f32x4.add(one, f32x4.mul(v, f32x4.sub(one, sigmoid))));
      v128.store(y + at, f32x4.mul(f32x4.mul(v128.load(dy + at), v128.load(b + at)), slope));
    }
  }
}

/** dy · gelu'(a), tanh form. Arguments: dy, a, y, padded width. */
export function geluInput(i: usize, thread: i32, threads: i32): void {
  const dy = <usize>load<i32>(i, 8), a = <usize>load<i32>(i, 12), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  const one = f32x4.splat(1), half = f32x4.splat(0.5), root = f32x4.splat(0.7978845608028654), cubic = f32x4.splat(0.044715);
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) {
      const v = v128.load(a + at), square = f32x4.mul(v, v);
      const inner = f32x4.mul(f32x4.mul(root, v), f32x4.add(one, f32x4.mul(cubic, square)));
      // tanh(u) = 1 - 2 / (e^2u + 1); 1 - tanh² = (1 - tanh)(1 + tanh)
      const tanh = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(exp4(f32x4.add(inner, inner)), one)));
      const steep = f32x4.mul(f32x4.sub(one, tanh), f32x4.add(one, tanh));
      const chain = f32x4.mul(root, f32x4.add(one, f32x4.mul(f32x4.splat(3 * 0.044715), square)));
      const slope = f32x4.mul(half, f32x4.add(f32x4.add(one, tanh), f32x4.mul(v, f32x4.mul(steep, chain))));
      v128.store(y + at, f32x4.mul(v128.load(dy + at), slope));
    }
  }
}

/** dy where a > 0. Arguments: dy, a, y, padded width. */
export function reluInput(i: usize, thread: i32, threads: i32): void {
  const dy = <usize>load<i32>(i, 8), a = <usize>load<i32>(i, 12), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  const zero = f32x4.splat(0);
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) {
      v128.store(y + at, v128.and(v128.load(dy + at), f32x4.gt(v128.load(a + at), zero)));
    }
  }
}

/** dy · σ(a). Arguments: dy, a, y, padded width. */
export function softplusInput(i: usize, thread: i32, threads: i32): void {
  const dy = <usize>load<i32>(i, 8), a = <usize>load<i32>(i, 12), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  const one = f32x4.splat(1);
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) {
      v128.store(y + at, f32x4.div(v128.load(dy + at), f32x4.add(one, exp4(f32x4.neg(v128.load(a + at))))));
    }
  }
}

/** plus, or nothing, with dy added to columns [first, first + width). Arguments: dy, first, plus, y, width, dy stride, y stride. */
export function columnsInput(i: usize, thread: i32, threads: i32): void {
  const first = <usize>load<i32>(i, 12) << 2, plus = <usize>load<i32>(i, 16), y = <usize>load<i32>(i, 20);
  const width = <usize>load<i32>(i, 24) << 2, dyStride = <usize>load<i32>(i, 28), yStride = <usize>load<i32>(i, 32), count = rowCount(i);
  for (let m = slice(count, thread, threads), end = slice(count, thread + 1, threads); m < end; m++) {
    const dy = <usize>load<i32>(i, 8) + <usize>m * dyStride, to = y + <usize>m * yStride;
    if (!plus) memory.fill(to, 0, yStride);
    else if (plus != y) memory.copy(to, plus + <usize>m * yStride, yStride);
    for (let at: usize = 0; at < width; at += 4) store<f32>(to + first + at, load<f32>(to + first + at) + load<f32>(dy + at));
  }
}

/** All rows: dy from the run-time scalar TAIL on, zeros before. Arguments: dy, y, stride. */
export function tailInput(i: usize, thread: i32, threads: i32): void {
  const dy = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 12), stride = <usize>load<i32>(i, 16), first = load<i32>(TAIL);
  for (let m = slice(rows(), thread, threads), end = slice(rows(), thread + 1, threads); m < end; m++) {
    const to = y + <usize>m * stride;
    if (m < first) memory.fill(to, 0, stride);
    else memory.copy(to, dy + <usize>(m - first) * stride, stride);
  }
}
