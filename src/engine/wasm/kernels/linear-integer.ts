/**
 * Products of integer activations with q4, q4_1 and q8 weights: who computes what, and the many-row product.
 *
 * From four activation rows on, a group of 16 weight rows is first unpacked to a panel in the thread's own scratch memory,
 * which stays in its first cache: block after block, for each four columns the 16 rows (4 · 16 bytes, eight times), then 16
 * scales as f32, for q4_1 16 minima. Four activation rows meet half of it at a time: eight sums, two weights, an activation,
 * its signs and what is on its way are at most 14 of 16 registers. Every output is the same chain of additions along K as in the one-row product, to the bit.
 *
 * The types `i8`, `i16` and `i32` stand for q4, q4_1 and q8: AssemblyScript resolves the branches when it compiles.
 * Arguments: x, w (its table of shares), bias, residual, y, K, groups, x stride, y stride, panels, bytes of a thread's panel.
 */
import { ownRow, rowCount, slice } from "./control";
import { addNibbleProducts, addProducts, ones, scaled, widen } from "./dot";
import { store16 } from "./linear-float";
import { gemvQ4, Q4_1_BLOCK, Q4_BLOCK, unpackQ4 } from "./linear-q4";
import { gemvQ8, Q8_BLOCK, unpackQ8 } from "./linear-q8";
import { HEADER, SCALE, START, SUM } from "./quantize";
import { shareBase, shareBegin, shareCount, shareEnd } from "./shares";

/** Activation rows that meet a panel at once; fewer are not worth one. */
const TILE = 4;
/** Bytes of the sums of four rows by 16 outputs, before the panel. */
const SUMS: usize = 256;

// @ts-ignore: decorator
@inline
function start<T>(header: usize): v128 {
  return sizeof<T>() == 2 ? i32x4.splat(0) : v128.load32_splat(header, START);
}

// @ts-ignore: decorator
@inline
function add<T>(sum: v128, w: v128, x: v128, sign: v128, one: v128): v128 {
  return sizeof<T>() == 4 ? addProducts(sum, v128.xor(w, sign), x, one) : addNibbleProducts(sum, x, w);
}

/** Adds a block of 32 columns to the sums of a row and eight weight rows, in memory. `scales`: what stands in the panel for these. */
// @ts-ignore: decorator
@inline
function finish<T>(sums: usize, a: v128, b: v128, scales: usize, header: usize, one: v128): void {
  const xScale = v128.load32_splat(header, SCALE);
  let sumA = scaled(v128.load(sums), sizeof<T>() == 4 ? a : widen(a, one), v128.load(scales), xScale);
  let sumB = scaled(v128.load(sums, 16), sizeof<T>() == 4 ? b : widen(b, one), v128.load(scales, 16), xScale);
  if (sizeof<T>() == 2) {
    const xSum = v128.load32_splat(header, SUM);
    sumA = f32x4.add(sumA, f32x4.mul(v128.load(scales, 64), xSum));
    sumB = f32x4.add(sumB, f32x4.mul(v128.load(scales, 80), xSum));
  }
  v128.store(sums, sumA);
  v128.store(sums, sumB, 16);
}

/**
 * Four activation rows and eight of a panel's weight rows, 32 columns. The sums are continued in the reverse order of their
 * declaration: so V8 leaves the loads of a row beside its products, otherwise it moves all loads to the front and spills.
 */
// @ts-ignore: decorator
@inline
function addBlock<T>(x: usize, xStride: usize, row: usize, panel: usize, header: usize, scales: usize, sums: usize, one: v128): void {
  let x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride;
  const header1 = header + xStride, header2 = header1 + xStride, header3 = header2 + xStride;
  let a0 = start<T>(header), b0 = a0, a1 = start<T>(header1), b1 = a1;
  let a2 = start<T>(header2), b2 = a2, a3 = start<T>(header3), b3 = a3;
  for (const end = panel + 512; panel < end; panel += 64, x += 4, x1 += 4, x2 += 4, x3 += 4) {
    const wa = v128.load(panel), wb = v128.load(panel, 16);
    let v = v128.load32_splat(x3), sign = sizeof<T>() == 4 ? v128.load32_splat(x3 + row) : v;
    b3 = add<T>(b3, wb, v, sign, one);
    a3 = add<T>(a3, wa, v, sign, one);
    v = v128.load32_splat(x2);
    sign = sizeof<T>() == 4 ? v128.load32_splat(x2 + row) : v;
    b2 = add<T>(b2, wb, v, sign, one);
    a2 = add<T>(a2, wa, v, sign, one);
    v = v128.load32_splat(x1);
    sign = sizeof<T>() == 4 ? v128.load32_splat(x1 + row) : v;
    b1 = add<T>(b1, wb, v, sign, one);
    a1 = add<T>(a1, wa, v, sign, one);
    v = v128.load32_splat(x);
    sign = sizeof<T>() == 4 ? v128.load32_splat(x + row) : v;
    b0 = add<T>(b0, wb, v, sign, one);
    a0 = add<T>(a0, wa, v, sign, one);
  }
  finish<T>(sums, a0, b0, scales, header, one);
  finish<T>(sums + 64, a1, b1, scales, header1, one);
  finish<T>(sums + 128, a2, b2, scales, header2, one);
  finish<T>(sums + 192, a3, b3, scales, header3, one);
}

/** Four activation rows, 16 weight rows. */
function gemm4<T>(x: usize, xStride: usize, panel: usize, K: i32, y: usize, yStride: usize, bias: usize, residual: usize, sums: usize): void {
  const one = ones(), zero = i32x4.splat(0), row: usize = <usize>K;
  // Not memory.fill: for so few bytes its call costs a tenth of the product.
  for (let i: usize = 0; i < SUMS; i += 16) v128.store(sums + i, zero);
  let header = x + (sizeof<T>() == 4 ? row << 1 : row);
  for (const xEnd = x + row; x < xEnd; x += 32, header += HEADER) {
    const scales = panel + 512;
    addBlock<T>(x, xStride, row, panel, header, scales, sums, one);
    addBlock<T>(x, xStride, row, panel + 32, header, scales + 32, sums + 32, one);
    panel += sizeof<T>() == 2 ? 640 : 576;
  }
  for (let m = 0; m < TILE; m++, sums += 64, y += yStride) {
    store16(y, v128.load(sums), v128.load(sums, 16), v128.load(sums, 32), v128.load(sums, 48), bias, residual);
    if (residual) residual += yStride;
  }
}

// @ts-ignore: decorator
@inline
function linear<T>(i: usize, thread: i32, threads: i32): void {
  let x = <usize>load<i32>(i, 8);
  const shares = <usize>load<i32>(i, 12), bias = <usize>load<i32>(i, 16);
  const residual = <usize>load<i32>(i, 20), y = <usize>load<i32>(i, 24), K = load<i32>(i, 28);
  const xStride = <usize>load<i32>(i, 36), yStride = <usize>load<i32>(i, 40), rows = rowCount(i);
  if (ownRow(i)) x += <usize>thread * xStride;
  const sums = <usize>load<i32>(i, 44) + <usize>thread * <usize>load<i32>(i, 48), panel = sums + SUMS;
  const groupBytes = <usize>(K >> 5) * (sizeof<T>() == 1 ? Q4_BLOCK : sizeof<T>() == 2 ? Q4_1_BLOCK : Q8_BLOCK);
  const count = shareCount(shares), last = slice(count, thread + 1, threads);
  for (let share = slice(count, thread, threads); share < last; share++) {
    const w = shareBase(shares, share);
    for (let g = shareBegin(shares, share), end = shareEnd(shares, share); g < end; g++) {
      const wg = w + <usize>g * groupBytes, column = <usize>g << 6, biasG = bias ? bias + column : 0;
      let m = 0;
      if (rows >= TILE) {
        if (sizeof<T>() == 4) unpackQ8(wg, K, panel);
        else unpackQ4<T>(wg, K, panel);
        for (; m + TILE <= rows; m += TILE) {
          const offset = <usize>m * yStride + column;
          gemm4<T>(x + <usize>m * xStride, xStride, panel, K, y + offset, yStride, biasG, residual ? residual + offset : 0, sums);
        }
      }
      for (; m < rows; m++) {
        const offset = <usize>m * yStride + column, xm = x + <usize>m * xStride, residualM = residual ? residual + offset : 0;
        if (sizeof<T>() == 4) gemvQ8(xm, wg, K, y + offset, biasG, residualM);
        else gemvQ4<T>(xm, wg, K, y + offset, biasG, residualM);
      }
    }
  }
}

export function linearQ4(i: usize, thread: i32, threads: i32): void {
  linear<i8>(i, thread, threads);
}

export function linearQ4_1(i: usize, thread: i32, threads: i32): void {
  linear<i16>(i, thread, threads);
}

export function linearQ8(i: usize, thread: i32, threads: i32): void {
  linear<i32>(i, thread, threads);
}
