/**
 * y = W x (+ bias) (+ residual) for weights kept as f32 or f16.
 *
 * Layout: rows of W in groups of 16; within a group, column after column, the 16 rows side by side. One activation is
 * spread over a vector and meets four rows at once, so no sum across lanes is ever needed. Every output is one chain of
 * multiply-adds along K whatever the number of activation rows: prefill and decode agree to the bit.
 *
 * Arguments: x, w, bias, residual, y, K, groups, x stride, y stride (strides and addresses in bytes; 0 = absent).
 */
import { ownRow, rowCount, sliceColumns } from "./control";
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

/** Eight outputs of the row that is `offset` bytes below the first; `residual` lies as `y` does. */
// @ts-ignore: decorator
@inline
function store8(y: usize, a: v128, b: v128, bias: usize, residual: usize, offset: usize): void {
  store4(y + offset, a, bias, residual ? residual + offset : 0);
  store4(y + offset + 16, b, bias ? bias + 16 : 0, residual ? residual + offset + 16 : 0);
}

/** The sixteen outputs of one row. */
// @ts-ignore: decorator
@inline
export function store16(y: usize, a: v128, b: v128, c: v128, d: v128, bias: usize, residual: usize): void {
  store8(y, a, b, bias, residual, 0);
  store8(y + 32, c, d, bias ? bias + 32 : 0, residual ? residual + 32 : 0, 0);
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

/** Six activation rows, eight weight rows: twelve accumulators, two weights and one activation fill 15 of 16 registers. */
export function gemm6<T>(x: usize, xStride: usize, w: usize, K: i32, y: usize, yStride: usize, bias: usize, residual: usize): void {
  let x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride, x4 = x3 + xStride, x5 = x4 + xStride;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0;
  let b0 = a0, b1 = a0, b2 = a0, b3 = a0, b4 = a0, b5 = a0;
  for (const end = x + (<usize>K << 2); x < end; x += 8, x1 += 8, x2 += 8, x3 += 8, x4 += 8, x5 += 8) {
    let wa = loadWeights<T>(w, 0), wb = loadWeights<T>(w, 16);
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
    v = v128.load32_splat(x4);
    a4 = madd(v, wa, a4);
    b4 = madd(v, wb, b4);
    v = v128.load32_splat(x5);
    a5 = madd(v, wa, a5);
    b5 = madd(v, wb, b5);
    wa = loadWeights<T>(w, 64);
    wb = loadWeights<T>(w, 80);
    v = v128.load32_splat(x, 4);
    a0 = madd(v, wa, a0);
    b0 = madd(v, wb, b0);
    v = v128.load32_splat(x1, 4);
    a1 = madd(v, wa, a1);
    b1 = madd(v, wb, b1);
    v = v128.load32_splat(x2, 4);
    a2 = madd(v, wa, a2);
    b2 = madd(v, wb, b2);
    v = v128.load32_splat(x3, 4);
    a3 = madd(v, wa, a3);
    b3 = madd(v, wb, b3);
    v = v128.load32_splat(x4, 4);
    a4 = madd(v, wa, a4);
    b4 = madd(v, wb, b4);
    v = v128.load32_splat(x5, 4);
    a5 = madd(v, wa, a5);
    b5 = madd(v, wb, b5);
    w += sizeof<T>() * 32;
  }
  store8(y, a0, b0, bias, residual, 0);
  store8(y, a1, b1, bias, residual, yStride);
  store8(y, a2, b2, bias, residual, yStride << 1);
  store8(y, a3, b3, bias, residual, 3 * yStride);
  store8(y, a4, b4, bias, residual, yStride << 2);
  store8(y, a5, b5, bias, residual, 5 * yStride);
}

// @ts-ignore: decorator
@inline
function linear<T>(i: usize, thread: i32, threads: i32): void {
  let x = <usize>load<i32>(i, 8);
  const w = <usize>load<i32>(i, 12), bias = <usize>load<i32>(i, 16);
  const residual = <usize>load<i32>(i, 20), y = <usize>load<i32>(i, 24), K = load<i32>(i, 28), groups = load<i32>(i, 32);
  const xStride = <usize>load<i32>(i, 36), yStride = <usize>load<i32>(i, 40), rows = rowCount(i);
  if (ownRow(i)) x += <usize>thread * xStride;
  const groupBytes = (<usize>K * sizeof<T>()) << 4;
  for (let g = sliceColumns(groups >> 1, thread, threads) >> 4, end = sliceColumns(groups >> 1, thread + 1, threads) >> 4; g < end; g++) {
    const wg = w + <usize>g * groupBytes, column = <usize>g << 6;
    const biasG = bias ? bias + column : 0;
    let m = 0;
    for (; m + 6 <= rows; m += 6) {
      const xm = x + <usize>m * xStride, offset = <usize>m * yStride + column;
      gemm6<T>(xm, xStride, wg, K, y + offset, yStride, biasG, residual ? residual + offset : 0);
      gemm6<T>(xm, xStride, wg + (sizeof<T>() << 3), K, y + offset + 32, yStride, biasG ? biasG + 32 : 0, residual ? residual + offset + 32 : 0);
    }
    for (; m < rows; m++) {
      const offset = <usize>m * yStride + column;
      gemv<T>(x + <usize>m * xStride, wg, K, y + offset, biasG, residual ? residual + offset : 0);
    }
  }
}

export function linearF32(i: usize, thread: i32, threads: i32): void {
  linear<f32>(i, thread, threads);
}

export function linearF16(i: usize, thread: i32, threads: i32): void {
  linear<u16>(i, thread, threads);
}
