/**
 * y = W x (+ bias) (+ residual) for weights kept as f32 or f16.
 *
 * Layout: rows of W in groups of 16; within a group, column after column, the 16 rows side by side. One activation is
 * spread over a vector and meets four rows at once, so no sum across lanes is ever needed. Every output is one chain of
 * multiply-adds along K whatever the number of activation rows: prefill and decode agree to the bit.
 *
 * Arguments: x, w, bias, residual, y, K, groups, x stride, y stride (strides and addresses in bytes; 0 = absent),
 * sums, bytes of a thread's sums.
 */
import { isNear, isPlayedSoon, ownRow, rowCount, sliceColumns } from "./control";
import { loadHalf4, madd } from "./simd";

// @ts-ignore: decorator
@inline
function loadWeights<T>(p: usize, offset: usize): v128 {
  return sizeof<T>() == 4 ? v128.load(p + offset) : loadHalf4(p + (offset >> 1));
}

/** Adds bias and residual where present and stores four outputs. */
// @ts-ignore: decorator
@inline
export function store4(y: usize, value: v128, bias: usize, residual: usize): void {
  if (bias) value = f32x4.add(value, v128.load(bias));
  if (residual) value = f32x4.add(value, v128.load(residual));
  v128.store(y, value);
}

/** The sixteen outputs of one row. */
// @ts-ignore: decorator
@inline
export function store16(y: usize, a: v128, b: v128, c: v128, d: v128, bias: usize, residual: usize): void {
  store4(y, a, bias, residual);
  store4(y + 16, b, bias ? bias + 16 : 0, residual ? residual + 16 : 0);
  store4(y + 32, c, bias ? bias + 32 : 0, residual ? residual + 32 : 0);
  store4(y + 48, d, bias ? bias + 48 : 0, residual ? residual + 48 : 0);
}

/** One activation row, sixteen weight rows. */
export function gemv<T>(x: usize, w: usize, K: i32, y: usize, bias: usize, residual: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  for (const end = x + (<usize>K << 2); x < end; x += 4) {
    const v = v128.load32_splat(x);
    a = madd(v, loadWeights<T>(w, 0), a);
    b = madd(v, loadWeights<T>(w, 16), b);
    c = madd(v, loadWeights<T>(w, 32), c);
    d = madd(v, loadWeights<T>(w, 48), d);
    w += sizeof<T>() << 4;
  }
  store16(y, a, b, c, d, bias, residual);
}

/**
 * One activation row, two groups of f32 weight rows, for weights that a cache has: there the four chains of one group are waited
 * for. From memory the two streams cost more than the chains save. The sums are continued in the reverse order of their
 * declaration: so V8 leaves each load beside its use, otherwise it moves all loads to the front and spills.
 */
function gemvPair(x: usize, w: usize, K: i32, y: usize, bias: usize, residual: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
  const groupBytes = <usize>K << 6;
  for (const end = x + (<usize>K << 2); x < end; x += 8) {
    const u = w + groupBytes;
    let v = v128.load32_splat(x);
    h = madd(v, v128.load(u, 48), h);
    g = madd(v, v128.load(u, 32), g);
    f = madd(v, v128.load(u, 16), f);
    e = madd(v, v128.load(u), e);
    d = madd(v, v128.load(w, 48), d);
    c = madd(v, v128.load(w, 32), c);
    b = madd(v, v128.load(w, 16), b);
    a = madd(v, v128.load(w), a);
    v = v128.load32_splat(x, 4);
    h = madd(v, v128.load(u, 112), h);
    g = madd(v, v128.load(u, 96), g);
    f = madd(v, v128.load(u, 80), f);
    e = madd(v, v128.load(u, 64), e);
    d = madd(v, v128.load(w, 112), d);
    c = madd(v, v128.load(w, 96), c);
    b = madd(v, v128.load(w, 80), b);
    a = madd(v, v128.load(w, 64), a);
    w += 128;
  }
  store16(y, a, b, c, d, bias, residual);
  store16(y + 64, e, f, g, h, bias ? bias + 64 : 0, residual ? residual + 64 : 0);
}

/** `gemv` that also touches as many bytes from `again` on; returns something made of them. */
function gemvTouching(x: usize, w: usize, K: i32, y: usize, bias: usize, residual: usize, again: usize): i32 {
  let a = f32x4.splat(0), b = a, c = a, d = a, touched = 0;
  for (const end = x + (<usize>K << 2); x < end; x += 4, w += 64, again += 64) {
    const v = v128.load32_splat(x);
    a = madd(v, v128.load(w), a);
    b = madd(v, v128.load(w, 16), b);
    c = madd(v, v128.load(w, 32), c);
    d = madd(v, v128.load(w, 48), d);
    touched |= load<i32>(again);
  }
  store16(y, a, b, c, d, bias, residual);
  return touched;
}

/** Columns of a chunk: 16 weight rows of it (16 kB as f32) and four activation rows stay in the first cache. */
const CHUNK: i32 = 256;
/** Activation rows that meet the weights at once. */
export const TILE: i32 = 4;

/**
 * Adds `count` columns to the sums of four activation rows and eight weight rows, a row of sums every 64 bytes. One column a
 * step: V8 moves the loads of a loop's body to its front, and those of two columns with eight sums are more than 16 registers.
 */
function addColumns<T>(x: usize, xStride: usize, w: usize, count: i32, sums: usize): void {
  let x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
  let a0 = v128.load(sums), a1 = v128.load(sums, 64), a2 = v128.load(sums, 128), a3 = v128.load(sums, 192);
  let b0 = v128.load(sums, 16), b1 = v128.load(sums, 80), b2 = v128.load(sums, 144), b3 = v128.load(sums, 208);
  for (const end = x + (<usize>count << 2); x < end; x += 4, x1 += 4, x2 += 4, x3 += 4) {
    const wa = loadWeights<T>(w, 0), wb = loadWeights<T>(w, 16);
    let v = v128.load32_splat(x);
    a0 = madd(v, wa, a0);
    b0 = madd(v, wb, b0);
    v = v128.load32_splat(x1);
    a1 = madd(v, wa, a1);
    b1 = madd(v, wb, b1);
    v = v128.load32_splat(x2);
    a2 = madd(v, wa, a2);
    b2 = madd(v, wb, b2);
    v = v128.load32_splat(x3);
    a3 = madd(v, wa, a3);
    b3 = madd(v, wb, b3);
    w += sizeof<T>() << 4;
  }
  v128.store(sums, a0);
  v128.store(sums, b0, 16);
  v128.store(sums, a1, 64);
  v128.store(sums, b1, 80);
  v128.store(sums, a2, 128);
  v128.store(sums, b2, 144);
  v128.store(sums, a3, 192);
  v128.store(sums, b3, 208);
}

/**
 * The first `rows` activation rows, a multiple of four, by 16 weight rows: chunk after chunk of columns, all rows within one, so
 * that the weights are read from memory once. `sums` has 64 bytes for each row.
 */
export function gemm<T>(x: usize, xStride: usize, rows: i32, w: usize, K: i32, y: usize, yStride: usize, bias: usize, residual: usize, sums: usize): void {
  memory.fill(sums, 0, <usize>rows << 6);
  for (let k = 0; k < K; k += CHUNK) {
    const from = w + ((<usize>k * sizeof<T>()) << 4), count = min(CHUNK, K - k), column = x + (<usize>k << 2);
    for (let m = 0; m < rows; m += TILE) {
      const xm = column + <usize>m * xStride, to = sums + (<usize>m << 6);
      addColumns<T>(xm, xStride, from, count, to);
      addColumns<T>(xm, xStride, from + (sizeof<T>() << 3), count, to + 32);
    }
  }
  for (let m = 0; m < rows; m++, sums += 64) {
    const offset = <usize>m * yStride, to = residual ? residual + offset : 0;
    store16(y + offset, v128.load(sums), v128.load(sums, 16), v128.load(sums, 32), v128.load(sums, 48), bias, to);
  }
}

/**
 * Bytes after which weights that will be played again soon are touched a second time. Of what the second cache evicts, the third seems
 * to keep only a part, but all that was used twice (docs/performance.md). Far enough for the first cache to have lost it, near
 * enough for the second to have it.
 */
const BEHIND: usize = 192 << 10;
/** What this thread has read for its last product and not touched again. An instance of the module is one thread's own. */
let tail: usize = 0, tailEnd: usize = 0;

/** Groups of f32 weights from `w` to `end`, each with the touch of one that was read earlier; `y` and the like are those of the first. */
function touchingProducts(x: usize, xStride: usize, rows: i32, w: usize, end: usize, K: i32, y: usize, yStride: usize, bias: usize, residual: usize, sink: usize): void {
  const groupBytes = <usize>K << 6, behind = max(<usize>1, BEHIND / groupBytes) * groupBytes;
  let touched = 0, offset: usize = 0;
  for (let wg = w; wg < end; wg += groupBytes, offset += groupBytes, y += 64) {
    let again = wg;
    if (offset >= behind) again = wg - behind;
    // The first groups touch the last of the product before.
    else if (tail + groupBytes <= tailEnd) again = min(tail + offset, tailEnd - groupBytes);
    for (let m = 0; m < rows; m++) {
      const at = <usize>m * yStride;
      touched |= gemvTouching(x + <usize>m * xStride, wg, K, y + at, bias, residual ? residual + at : 0, again);
    }
    if (bias) bias += 64;
    if (residual) residual += 64;
  }
  store<i32>(sink, touched);
  tail = offset > behind ? end - behind : w;
  tailEnd = end;
}

// @ts-ignore: decorator
@inline
function linear<T>(i: usize, thread: i32, threads: i32): void {
  let x = <usize>load<i32>(i, 8);
  const w = <usize>load<i32>(i, 12), bias = <usize>load<i32>(i, 16);
  const residual = <usize>load<i32>(i, 20), y = <usize>load<i32>(i, 24), K = load<i32>(i, 28), groups = load<i32>(i, 32);
  const xStride = <usize>load<i32>(i, 36), yStride = <usize>load<i32>(i, 40), rows = rowCount(i), tiled = rows - (rows % TILE);
  const sums = <usize>load<i32>(i, 44) + <usize>thread * <usize>load<i32>(i, 48);
  if (ownRow(i)) x += <usize>thread * xStride;
  const groupBytes = (<usize>K * sizeof<T>()) << 4, alone = sizeof<T>() == 4 && tiled == 0;
  const first = sliceColumns(groups >> 1, thread, threads) >> 4, last = sliceColumns(groups >> 1, thread + 1, threads) >> 4;
  // One thread alone loses more by touching than it gains.
  if (alone && threads > 1 && isPlayedSoon(i)) {
    const column = <usize>first << 6, biasF = bias ? bias + column : 0, residualF = residual ? residual + column : 0;
    touchingProducts(x, xStride, rows, w + <usize>first * groupBytes, w + <usize>last * groupBytes, K, y + column, yStride, biasF, residualF, sums);
    return;
  }
  tailEnd = 0;
  const pairs = alone && isNear(i);
  for (let g = first; g < last; g += pairs ? 2 : 1) {
    const wg = w + <usize>g * groupBytes, column = <usize>g << 6, biasG = bias ? bias + column : 0;
    if (tiled > 0) gemm<T>(x, xStride, tiled, wg, K, y + column, yStride, biasG, residual ? residual + column : 0, sums);
    for (let m = tiled; m < rows; m++) {
      const offset = <usize>m * yStride + column, xm = x + <usize>m * xStride, residualM = residual ? residual + offset : 0;
      if (pairs) gemvPair(xm, wg, K, y + offset, biasG, residualM);
      else gemv<T>(xm, wg, K, y + offset, biasG, residualM);
    }
  }
}

export function linearF32(i: usize, thread: i32, threads: i32): void {
  linear<f32>(i, thread, threads);
}

export function linearF16(i: usize, thread: i32, threads: i32): void {
  linear<u16>(i, thread, threads);
}
