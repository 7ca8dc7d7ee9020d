/**
 * Products of integer activations with q4, q4_1 and q8 weights: who computes what, and the many-row product.
 *
 * From four activation rows on, a group of 16 weight rows is first unpacked to a panel in the thread's own scratch memory,
 * which stays in its first cache: block after block, for each four columns the 16 rows (4 · 16 bytes, eight times), then 16
 * scales as f32, for q4_1 16 minima. Two activation rows meet it at a time: eight sums, four weights and two activations
 * are 14 of 16 registers. Every output is the same chain of additions along K as in the one-row product, to the bit.
 *
 * The types `i8`, `i16` and `i32` stand for q4, q4_1 and q8: AssemblyScript resolves the branches when it compiles.
 * Arguments: x, w (its table of shares), bias, residual, y, K, groups, x stride, y stride, panels, bytes of a thread's panel.
 */
import { ownRow, rowCount, slice } from "./control";
import { addNibbleProducts, addProducts, ones, scaled, widen } from "./dot";
import { store4 } from "./linear-float";
import { gemvQ4, Q4_1_BLOCK, Q4_BLOCK, unpackQ4 } from "./linear-q4";
import { gemvQ8, Q8_BLOCK, unpackQ8 } from "./linear-q8";
import { HEADER, SCALE, START, SUM } from "./quantize";
import { shareBase, shareBegin, shareCount, shareEnd } from "./shares";

/** Fewer rows are not worth a panel. */
const PANEL_ROWS = 4;
/** Sums of two rows by 16 outputs, before the panel. */
const SUMS: usize = 128;

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

/** `sum` and four products of a block, scaled; `minima`: where those of these four rows stand. */
// @ts-ignore: decorator
@inline
function finish<T>(sum: v128, products: v128, scale: v128, minima: usize, xScale: v128, xSum: v128, one: v128): v128 {
  sum = scaled(sum, sizeof<T>() == 4 ? products : widen(products, one), scale, xScale);
  return sizeof<T>() == 2 ? f32x4.add(sum, f32x4.mul(v128.load(minima), xSum)) : sum;
}

/**
 * Two activation rows, 16 weight rows. The sums are continued in the reverse order of their declaration: so V8 leaves the
 * loads of a row beside its products, otherwise it moves all loads to the front, and spills those of q8.
 */
function gemm2<T>(x: usize, xStride: usize, panel: usize, K: i32, y: usize, yStride: usize, bias: usize, residual: usize, sums: usize): void {
  const one = ones(), zero = i32x4.splat(0), row: usize = <usize>K;
  let x1 = x + xStride, header = x + (sizeof<T>() == 4 ? row << 1 : row);
  // For so few bytes the call of memory.fill would take a twentieth of the product's time.
  for (let i: usize = 0; i < SUMS; i += 16) v128.store(sums + i, zero);
  for (const xEnd = x + row; x < xEnd; header += HEADER) {
    let a = start<T>(header), b = a, c = a, d = a;
    let e = start<T>(header + xStride), f = e, g = e, h = e;
    for (const end = panel + 512; panel < end; panel += 64, x += 4, x1 += 4) {
      const w0 = v128.load(panel), w1 = v128.load(panel, 16), w2 = v128.load(panel, 32), w3 = v128.load(panel, 48);
      let v = v128.load32_splat(x1), sign = sizeof<T>() == 4 ? v128.load32_splat(x1 + row) : v;
      h = add<T>(h, w3, v, sign, one);
      g = add<T>(g, w2, v, sign, one);
      f = add<T>(f, w1, v, sign, one);
      e = add<T>(e, w0, v, sign, one);
      v = v128.load32_splat(x);
      sign = sizeof<T>() == 4 ? v128.load32_splat(x + row) : v;
      d = add<T>(d, w3, v, sign, one);
      c = add<T>(c, w2, v, sign, one);
      b = add<T>(b, w1, v, sign, one);
      a = add<T>(a, w0, v, sign, one);
    }
    const s0 = v128.load(panel), s1 = v128.load(panel, 16), s2 = v128.load(panel, 32), s3 = v128.load(panel, 48);
    const minima = panel + 64;
    let xScale = v128.load32_splat(header, SCALE), xSum = sizeof<T>() == 2 ? v128.load32_splat(header, SUM) : xScale;
    v128.store(sums, finish<T>(v128.load(sums), a, s0, minima, xScale, xSum, one));
    v128.store(sums, finish<T>(v128.load(sums, 16), b, s1, minima + 16, xScale, xSum, one), 16);
    v128.store(sums, finish<T>(v128.load(sums, 32), c, s2, minima + 32, xScale, xSum, one), 32);
    v128.store(sums, finish<T>(v128.load(sums, 48), d, s3, minima + 48, xScale, xSum, one), 48);
    xScale = v128.load32_splat(header + xStride, SCALE);
    xSum = sizeof<T>() == 2 ? v128.load32_splat(header + xStride, SUM) : xScale;
    v128.store(sums, finish<T>(v128.load(sums, 64), e, s0, minima, xScale, xSum, one), 64);
    v128.store(sums, finish<T>(v128.load(sums, 80), f, s1, minima + 16, xScale, xSum, one), 80);
    v128.store(sums, finish<T>(v128.load(sums, 96), g, s2, minima + 32, xScale, xSum, one), 96);
    v128.store(sums, finish<T>(v128.load(sums, 112), h, s3, minima + 48, xScale, xSum, one), 112);
    panel += sizeof<T>() == 2 ? 128 : 64;
  }
  for (let j: usize = 0; j < 64; j += 16) {
    const b4 = bias ? bias + j : 0;
    store4(y + j, v128.load(sums + j), b4, residual ? residual + j : 0);
    store4(y + yStride + j, v128.load(sums + 64 + j), b4, residual ? residual + yStride + j : 0);
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
      if (rows >= PANEL_ROWS) {
        if (sizeof<T>() == 4) unpackQ8(wg, K, panel);
        else unpackQ4<T>(wg, K, panel);
        for (; m + 2 <= rows; m += 2) {
          const offset = <usize>m * yStride + column;
          gemm2<T>(x + <usize>m * xStride, xStride, panel, K, y + offset, yStride, biasG, residual ? residual + offset : 0, sums);
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
