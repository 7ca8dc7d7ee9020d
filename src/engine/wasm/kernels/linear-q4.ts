/**
 * y = W x (+ bias) (+ residual) for weights in q4: nibbles with one f16 scale per block of 32, the nibble 8 being zero
 * (GGUF's Q4_0), or with one f16 minimum per block beside it (Q4_1).
 *
 * Activations come as signed bytes with one f32 scale per block. A nibble (at most 15) fits the 7-bit operand of the
 * relaxed 8-bit dot product exactly, and eight products of pairs fit 16 bits (8 · 2 · 15 · 127 = 30,480), so a block of
 * 32 is summed in 16 bits and widened once. The offset of the nibbles stays out of the loop: it is 8 · (sum of the
 * block's activations), the same for every row. All of this is exact, and the scaling is unfused: every build gives the
 * same bits.
 *
 * Layout of a group of 16 rows: block after block; a block holds for g = 0…3 and for each four rows 16 bytes: byte
 * 4r + j has column 4g + j of row r in its low nibble and column 16 + 4g + j in its high one (256 bytes); then 16 scales
 * and, for Q4_1, 16 minima: 288 or 320 bytes. A row of activations is K i8, then K/32 f32 scales, then K/32 times 8 · sum
 * as i32.
 *
 * Arguments: x, w, bias, residual, y, K, groups, x stride, y stride.
 */
import { rowCount, slice } from "./control";
import { store16, store4 } from "./linear-float";
import { loadHalf4 } from "./simd";

/** Bytes of 16 rows by 32 columns, without and with minima. */
export const Q4_BLOCK: usize = 288;
export const Q4_1_BLOCK: usize = 320;

/** Pairs of products, added: eight 16-bit lanes. `x` holds signed bytes, `w` bytes of at most 15. */
// @ts-ignore: decorator
@inline
function dot(x: v128, w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.relaxed_dot_i8x16_i7x16_s(x, w);
  const even = i16x8.mul(i16x8.shr_s(i16x8.shl(x, 8), 8), v128.and(w, i16x8.splat(0xff)));
  return i16x8.add(even, i16x8.mul(i16x8.shr_s(x, 8), i16x8.shr_u(w, 8)));
}

/**
 * sum + xScale · scale · (products - 8 · xSum), or with minima: sum + xScale · (scale · products + minimum / 8 · 8 xSum).
 * `xSum8` points at 8 · xSum, as the activations bring it.
 */
// @ts-ignore: decorator
@inline
function scaled<Minima>(sum: v128, products: v128, scale: v128, minimum: v128, xScale: usize, xSum8: usize): v128 {
  const wide = i32x4.extadd_pairwise_i16x8_s(products);
  if (sizeof<Minima>() == 1) {
    const shifted = f32x4.convert_i32x4_s(i32x4.sub(wide, v128.load32_splat(xSum8)));
    return f32x4.add(sum, f32x4.mul(shifted, f32x4.mul(scale, v128.load32_splat(xScale))));
  }
  const offset = f32x4.mul(f32x4.convert_i32x4_s(v128.load32_splat(xSum8)), minimum);
  const value = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(wide), scale), offset);
  return f32x4.add(sum, f32x4.mul(v128.load32_splat(xScale), value));
}

/** An eighth of four minima, where there are any. */
// @ts-ignore: decorator
@inline
function loadMinimum<Minima>(scales: usize): v128 {
  return sizeof<Minima>() == 1 ? f32x4.splat(0) : f32x4.mul(loadHalf4(scales, 32), f32x4.splat(0.125));
}

function gemv<Minima>(x: usize, w: usize, K: i32, y: usize, bias: usize, residual: usize): void {
  const low = i8x16.splat(15), zero = i16x8.splat(0);
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let scale = x + <usize>K;
  const sums = <usize>K >> 3;
  for (const xEnd = scale; x < xEnd; x += 32, scale += 4) {
    let p = zero, q = zero, r = zero, s = zero;
    for (let g: usize = 0; g < 16; g += 4) {
      const x0 = v128.load32_splat(x + g), x1 = v128.load32_splat(x + g, 16), at = w + (g << 4);
      let v = v128.load(at);
      p = i16x8.add(p, i16x8.add(dot(x0, v128.and(v, low)), dot(x1, v128.and(i16x8.shr_u(v, 4), low))));
      v = v128.load(at, 16);
      q = i16x8.add(q, i16x8.add(dot(x0, v128.and(v, low)), dot(x1, v128.and(i16x8.shr_u(v, 4), low))));
      v = v128.load(at, 32);
      r = i16x8.add(r, i16x8.add(dot(x0, v128.and(v, low)), dot(x1, v128.and(i16x8.shr_u(v, 4), low))));
      v = v128.load(at, 48);
      s = i16x8.add(s, i16x8.add(dot(x0, v128.and(v, low)), dot(x1, v128.and(i16x8.shr_u(v, 4), low))));
    }
    const sum = scale + sums;
    a = scaled<Minima>(a, p, loadHalf4(w, 256), loadMinimum<Minima>(w + 256), scale, sum);
    b = scaled<Minima>(b, q, loadHalf4(w, 264), loadMinimum<Minima>(w + 264), scale, sum);
    c = scaled<Minima>(c, r, loadHalf4(w, 272), loadMinimum<Minima>(w + 272), scale, sum);
    d = scaled<Minima>(d, s, loadHalf4(w, 280), loadMinimum<Minima>(w + 280), scale, sum);
    w += sizeof<Minima>() == 1 ? Q4_BLOCK : Q4_1_BLOCK;
  }
  store16(y, a, b, c, d, bias, residual);
}

/** Adds to `sum` the products of four columns in the low nibbles and of four in the high ones. */
// @ts-ignore: decorator
@inline
function accumulate(sum: v128, x: usize, low: v128, high: v128): v128 {
  return i16x8.add(sum, i16x8.add(dot(v128.load32_splat(x), low), dot(v128.load32_splat(x, 16), high)));
}

/**
 * Four activation rows, four weight rows: nibbles are unpacked once for all four. Four 16-bit and four f32 sums, the
 * mask, two weights and what is in flight fill the 16 registers.
 */
function gemm4<Minima>(x: usize, xStride: usize, w: usize, scales: usize, K: i32, y: usize, yStride: usize, bias: usize, residual: usize): void {
  const mask = i8x16.splat(15), zero = i16x8.splat(0), bytes = sizeof<Minima>() == 1 ? Q4_BLOCK : Q4_1_BLOCK;
  let a = f32x4.splat(0), b = a, c = a, d = a;
  const sums = <usize>K >> 3;
  let x1 = x + xStride, x2 = x1 + xStride, x3 = x2 + xStride, scale = x + <usize>K;
  for (const xEnd = scale; x < xEnd; x += 32, x1 += 32, x2 += 32, x3 += 32, scale += 4) {
    let p = zero, q = zero, r = zero, s = zero;
    for (let g: usize = 0; g < 16; g += 4) {
      const v = v128.load(w + (g << 4)), low = v128.and(v, mask), high = v128.and(i16x8.shr_u(v, 4), mask);
      p = accumulate(p, x + g, low, high);
      q = accumulate(q, x1 + g, low, high);
      r = accumulate(r, x2 + g, low, high);
      s = accumulate(s, x3 + g, low, high);
    }
    const wScale = loadHalf4(scales), minimum = loadMinimum<Minima>(scales);
    let at = scale;
    a = scaled<Minima>(a, p, wScale, minimum, at, at + sums);
    at += xStride;
    b = scaled<Minima>(b, q, wScale, minimum, at, at + sums);
    at += xStride;
    c = scaled<Minima>(c, r, wScale, minimum, at, at + sums);
    at += xStride;
    d = scaled<Minima>(d, s, wScale, minimum, at, at + sums);
    w += bytes;
    scales += bytes;
  }
  store4(y, a, bias, residual);
  store4(y + yStride, b, bias, residual ? residual + yStride : 0);
  store4(y + 2 * yStride, c, bias, residual ? residual + 2 * yStride : 0);
  store4(y + 3 * yStride, d, bias, residual ? residual + 3 * yStride : 0);
}

// @ts-ignore: decorator
@inline
function linear<Minima>(i: usize, thread: i32, threads: i32): void {
  const x = <usize>load<i32>(i, 8), w = <usize>load<i32>(i, 12), bias = <usize>load<i32>(i, 16);
  const residual = <usize>load<i32>(i, 20), y = <usize>load<i32>(i, 24), K = load<i32>(i, 28), groups = load<i32>(i, 32);
  const xStride = <usize>load<i32>(i, 36), yStride = <usize>load<i32>(i, 40), rows = rowCount(i);
  const groupBytes = <usize>(K >> 5) * (sizeof<Minima>() == 1 ? Q4_BLOCK : Q4_1_BLOCK);
  for (let g = slice(groups, thread, threads), end = slice(groups, thread + 1, threads); g < end; g++) {
    const wg = w + <usize>g * groupBytes, column = <usize>g << 6, biasG = bias ? bias + column : 0;
    let m = 0;
    for (; m + 4 <= rows; m += 4) {
      const xm = x + <usize>m * xStride;
      for (let s: usize = 0; s < 4; s++) {
        const offset = <usize>m * yStride + column + (s << 4);
        gemm4<Minima>(xm, xStride, wg + (s << 4), wg + 256 + (s << 3), K, y + offset, yStride, biasG ? biasG + (s << 4) : 0, residual ? residual + offset : 0);
      }
    }
    for (; m < rows; m++) {
      const offset = <usize>m * yStride + column;
      gemv<Minima>(x + <usize>m * xStride, wg, K, y + offset, biasG, residual ? residual + offset : 0);
    }
  }
}

/** `i8` stands for "no minima", `i16` for "with minima": AssemblyScript resolves the branches when it compiles. */
export function linearQ4(i: usize, thread: i32, threads: i32): void {
  linear<i8>(i, thread, threads);
}

export function linearQ4_1(i: usize, thread: i32, threads: i32): void {
  linear<i16>(i, thread, threads);
}
