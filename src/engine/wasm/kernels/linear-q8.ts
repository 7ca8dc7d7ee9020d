/**
 * y = W x (+ bias) (+ residual) for weights in q8: signed bytes with one f16 scale per block of 32 (GGUF's Q8_0).
 *
 * Activations come as 16-bit integers with one f32 scale per block: 127 · 32,767 · 32 fits 32 bits, so the sum over a
 * block is exact and the result is as good as f32 activations to about four digits more than 8-bit ones.
 * Layout of a group of 16 rows: block after block; a block holds, for each pair of columns, the 16 rows side by side
 * (32 bytes), then 16 scales: 544 bytes. A row of activations is K i16, then K/32 f32 scales.
 *
 * Arguments: x, w, bias, residual, y, K, groups, x stride, y stride.
 */
import { rowCount, slice } from "./control";
import { store16, store4 } from "./linear-float";
import { loadHalf4 } from "./simd";

/** Bytes of 16 rows by 32 columns. */
export const Q8_BLOCK: usize = 544;

/** sum + (scale · xScale) · products, unfused: the same bits on every build. */
// @ts-ignore: decorator
@inline
function scaled(sum: v128, products: v128, scale: v128, xScale: v128): v128 {
  return f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(products), f32x4.mul(scale, xScale)));
}

function gemv(x: usize, w: usize, K: i32, y: usize, bias: usize, residual: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let scale = x + (<usize>K << 1);
  for (const xEnd = scale; x < xEnd; x += 64, scale += 4) {
    let p = i32x4.splat(0), q = p, r = p, s = p;
    for (let j: usize = 0; j < 64; j += 4) {
      const v = v128.load32_splat(x + j), at = w + (j << 3);
      p = i32x4.add(p, i32x4.dot_i16x8_s(v128.load8x8_s(at), v));
      q = i32x4.add(q, i32x4.dot_i16x8_s(v128.load8x8_s(at, 8), v));
      r = i32x4.add(r, i32x4.dot_i16x8_s(v128.load8x8_s(at, 16), v));
      s = i32x4.add(s, i32x4.dot_i16x8_s(v128.load8x8_s(at, 24), v));
    }
    const xScale = v128.load32_splat(scale);
    a = scaled(a, p, loadHalf4(w, 512), xScale);
    b = scaled(b, q, loadHalf4(w, 520), xScale);
    c = scaled(c, r, loadHalf4(w, 528), xScale);
    d = scaled(d, s, loadHalf4(w, 536), xScale);
    w += Q8_BLOCK;
  }
  store16(y, a, b, c, d, bias, residual);
}

/** Four activation rows, four weight rows (`w` points at the first block's bytes of these rows, `scales` at its scales). */
function gemm4(x: usize, xStride: usize, w: usize, scales: usize, K: i32, y: usize, yStride: usize, bias: usize, residual: usize): void {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride, scale = x + (<usize>K << 1);
  for (const xEnd = scale; x < xEnd; scale += 4) {
    let p = i32x4.splat(0), q = p, r = p, s = p;
    for (const wEnd = w + 512; w < wEnd; w += 64, x += 8, x1 += 8, x2 += 8, x3 += 8) {
      const u = v128.load8x8_s(w), v = v128.load8x8_s(w, 32);
      p = i32x4.add(p, i32x4.dot_i16x8_s(u, v128.load32_splat(x)));
      q = i32x4.add(q, i32x4.dot_i16x8_s(u, v128.load32_splat(x1)));
      r = i32x4.add(r, i32x4.dot_i16x8_s(u, v128.load32_splat(x2)));
      s = i32x4.add(s, i32x4.dot_i16x8_s(u, v128.load32_splat(x3)));
      p = i32x4.add(p, i32x4.dot_i16x8_s(v, v128.load32_splat(x, 4)));
      q = i32x4.add(q, i32x4.dot_i16x8_s(v, v128.load32_splat(x1, 4)));
      r = i32x4.add(r, i32x4.dot_i16x8_s(v, v128.load32_splat(x2, 4)));
      s = i32x4.add(s, i32x4.dot_i16x8_s(v, v128.load32_splat(x3, 4)));
    }
    const wScale = loadHalf4(scales);
    a = scaled(a, p, wScale, v128.load32_splat(scale));
    b = scaled(b, q, wScale, v128.load32_splat(scale + xStride));
    c = scaled(c, r, wScale, v128.load32_splat(scale + (xStride << 1)));
    d = scaled(d, s, wScale, v128.load32_splat(scale + 3 * xStride));
    w += Q8_BLOCK - 512;
    scales += Q8_BLOCK;
  }
  store4(y, a, bias, residual);
  store4(y + yStride, b, bias, residual ? residual + yStride : 0);
  store4(y + 2 * yStride, c, bias, residual ? residual + 2 * yStride : 0);
  store4(y + 3 * yStride, d, bias, residual ? residual + 3 * yStride : 0);
}

export function linearQ8(i: usize, thread: i32, threads: i32): void {
  const x = <usize>load<i32>(i, 8), w = <usize>load<i32>(i, 12), bias = <usize>load<i32>(i, 16);
  const residual = <usize>load<i32>(i, 20), y = <usize>load<i32>(i, 24), K = load<i32>(i, 28), groups = load<i32>(i, 32);
  const xStride = <usize>load<i32>(i, 36), yStride = <usize>load<i32>(i, 40), rows = rowCount(i);
  const groupBytes = <usize>(K >> 5) * Q8_BLOCK;
  for (let g = slice(groups, thread, threads), end = slice(groups, thread + 1, threads); g < end; g++) {
    const wg = w + <usize>g * groupBytes, column = <usize>g << 6, biasG = bias ? bias + column : 0;
    let m = 0;
    for (; m + 4 <= rows; m += 4) {
      const xm = x + <usize>m * xStride;
      for (let s: usize = 0; s < 4; s++) {
        const offset = <usize>m * yStride + column + (s << 4);
        gemm4(xm, xStride, wg + (s << 3), wg + 512 + (s << 3), K, y + offset, yStride, biasG ? biasG + (s << 4) : 0, residual ? residual + offset : 0);
      }
    }
    for (; m < rows; m++) {
      const offset = <usize>m * yStride + column;
      gemv(x + <usize>m * xStride, wg, K, y + offset, biasG, residual ? residual + offset : 0);
    }
  }
}
