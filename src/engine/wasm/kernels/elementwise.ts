/**
 * Element by element over whole padded rows; each thread has its own columns, of all rows, which are those that it computed
 * where the operands are linear maps: no barrier stands between.
 * Arguments: a, b (0 where there is one operand), y, padded width. All rows of an operand stand one after another.
 */
import { TAIL, rowCount, rows, slice, sliceColumns } from "./control";
import { alsoQuantize, wantsIntegers } from "./quantize";
import { exp4 } from "./simd";

/** y = a + b. */
export function add(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8), b = <usize>load<i32>(i, 12), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) v128.store(y + at, f32x4.add(v128.load(a + at), v128.load(b + at)));
  }
}

/** y = a · sigmoid(a) · b: the gate of SwiGLU (Shazeer 2020, arXiv 2002.05202, eq. 6). */
export function swiglu(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8), b = <usize>load<i32>(i, 12), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = sliceColumns(K >> 5, thread, threads), last = sliceColumns(K >> 5, thread + 1, threads), one = f32x4.splat(1), zero = f32x4.splat(0);
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + (<usize>first << 2), end = row + (<usize>last << 2); at < end; at += 16) {
      const v = v128.load(a + at);
      const silu = f32x4.div(v, f32x4.add(one, exp4(f32x4.sub(zero, v))));
      v128.store(y + at, f32x4.mul(silu, v128.load(b + at)));
    }
    if (wantsIntegers(i)) alsoQuantize(i, y + row, m, K, first >> 5, (last - first) >> 5);
  }
}

/** y = GELU(a) in the tanh form that GPT-2 uses (Hendrycks & Gimpel 2016, arXiv 1606.08415). */
export function gelu(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  const one = f32x4.splat(1), two = f32x4.splat(2);
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) {
      const v = v128.load(a + at);
      const inner = f32x4.mul(
        f32x4.splat(0.7978845608028654),
        f32x4.add(v, f32x4.mul(f32x4.splat(0.044715), f32x4.mul(v, f32x4.mul(v, v)))),
      );
      // tanh(u) = 1 - 2 / (e^2u + 1)
      const tanh = f32x4.sub(one, f32x4.div(two, f32x4.add(exp4(f32x4.add(inner, inner)), one)));
      v128.store(y + at, f32x4.mul(f32x4.mul(f32x4.splat(0.5), v), f32x4.add(one, tanh)));
    }
  }
}

/** y = c · a. One argument more: c. */
export function scale(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i), c = f32x4.splat(load<f32>(i, 24));
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) v128.store(y + at, f32x4.mul(c, v128.load(a + at)));
  }
}

/** y = max(0, a). */
export function relu(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i), zero = f32x4.splat(0);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) v128.store(y + at, f32x4.pmax(v128.load(a + at), zero));
  }
}

/** y = a ∘ b. */
export function multiply(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8), b = <usize>load<i32>(i, 12), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) v128.store(y + at, f32x4.mul(v128.load(a + at), v128.load(b + at)));
  }
}

/** y = e^a. */
export function exp(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) v128.store(y + at, exp4(v128.load(a + at)));
  }
}

/** y = log(1 + e^a), in f64. */
export function softplus(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 4) {
      const v = <f64>load<f32>(a + at);
      store<f32>(y + at, <f32>(max<f64>(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))));
    }
  }
}

/** y = the last rows of a, from the run-time scalar TAIL on. */
export function tail(i: usize, thread: i32, threads: i32): void {
  const width = <usize>load<i32>(i, 20) << 2, a = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 16), first = load<i32>(TAIL);
  const count = rows() - first;
  for (let m = slice(count, thread, threads), end = slice(count, thread + 1, threads); m < end; m++) {
    memory.copy(y + <usize>m * width, a + <usize>(first + m) * width, width);
  }
}

/** y = columns [first, first + width) of a. Arguments: a, first, y, width, padded width, a stride, y stride (strides in bytes). */
export function columns(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8) + (<usize>load<i32>(i, 12) << 2), y = <usize>load<i32>(i, 16), width = <usize>load<i32>(i, 20) << 2;
  const padded = <usize>load<i32>(i, 24) << 2, aStride = <usize>load<i32>(i, 28), yStride = <usize>load<i32>(i, 32), count = rowCount(i);
  for (let m = slice(count, thread, threads), end = slice(count, thread + 1, threads); m < end; m++) {
    const row = y + <usize>m * yStride;
    memory.copy(row, a + <usize>m * aStride, width);
    memory.fill(row + width, 0, padded - width);
  }
}
