/**
 * The two products of attention, both as C = A · B with eight columns of B at a time. B is a panel of the cache, eight
 * numbers a step: for the scores a step is a column of the head and the eight are positions; for the weighted values a step is
 * a position and the eight are columns. So one number of A, spread over a vector, meets eight of B, and no sum across lanes is
 * needed. Up to four rows of A (queries) share the loads of B; each result is one chain of additions along the steps,
 * whatever the number of rows.
 *
 * An f32 panel has 32 bytes a step. A q8 panel has 16 bytes for two steps, the pairs of a column (or position) side by side, and
 * A is 16-bit integers, so that one instruction multiplies and adds a pair: 127 · 32,767 · 512 fits the 32 bits of a sum.
 */
import { madd } from "./simd";

/** Positions of a tile: the unit in which attention goes through the cache. The planner (attention-layout.ts) knows it too. */
export const TILE: i32 = 64;

/** A of the scores: four queries side by side, [steps][4]. */
export type ByStep = i32;
/** A of the weighted values: a query after the other, [query][TILE]. */
export type ByQuery = i64;

/**
 * `rows`, a constant, is 1 to 4. One step at a time: V8 moves the loads of a loop's body to its front, and those of two steps
 * are more than it has registers for (measured: 16 GMAC/s for all of attention instead of 26).
 */
// @ts-ignore: decorator
@inline
function floatsFew<L>(rows: i32, a: usize, b: usize, steps: i32, c: usize, stride: usize): void {
  const ROW: usize = sizeof<L>() == 4 ? 4 : 256, STEP: usize = sizeof<L>() == 4 ? 16 : 4;
  let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
  for (const end = b + (<usize>steps << 5); b < end; b += 32, a += STEP) {
    const x = v128.load(b), y = v128.load(b, 16);
    let s = v128.load32_splat(a);
    a0 = madd(s, x, a0);
    a1 = madd(s, y, a1);
    if (rows > 1) {
      s = v128.load32_splat(a, ROW);
      b0 = madd(s, x, b0);
      b1 = madd(s, y, b1);
    }
    if (rows > 2) {
      s = v128.load32_splat(a, 2 * ROW);
      c0 = madd(s, x, c0);
      c1 = madd(s, y, c1);
    }
    if (rows > 3) {
      s = v128.load32_splat(a, 3 * ROW);
      d0 = madd(s, x, d0);
      d1 = madd(s, y, d1);
    }
  }
  v128.store(c, a0);
  v128.store(c, a1, 16);
  if (rows > 1) {
    v128.store(c + stride, b0);
    v128.store(c + stride, b1, 16);
  }
  if (rows > 2) {
    v128.store(c + (stride << 1), c0);
    v128.store(c + (stride << 1), c1, 16);
  }
  if (rows > 3) {
    v128.store(c + stride * 3, d0);
    v128.store(c + stride * 3, d1, 16);
  }
}

/** C [count, 8], rows `stride` bytes apart = A [count, steps] · B [steps, 8]; `steps` is a multiple of eight. */
export function floats<L>(a: usize, b: usize, steps: i32, c: usize, stride: usize, count: i32): void {
  const quad: usize = sizeof<L>() == 4 ? <usize>steps << 4 : 1024;
  for (; count >= 4; count -= 4, a += quad, c += stride << 2) floatsFew<L>(4, a, b, steps, c, stride);
  if (count == 3) floatsFew<L>(3, a, b, steps, c, stride);
  else if (count == 2) floatsFew<L>(2, a, b, steps, c, stride);
  else if (count == 1) floatsFew<L>(1, a, b, steps, c, stride);
}

// @ts-ignore: decorator
@inline
function storeScaled<L>(low: v128, high: v128, scale: v128, columns: usize, c: usize): void {
  low = f32x4.mul(f32x4.convert_i32x4_s(low), scale);
  high = f32x4.mul(f32x4.convert_i32x4_s(high), scale);
  if (sizeof<L>() == 4) {
    low = f32x4.mul(low, v128.load(columns));
    high = f32x4.mul(high, v128.load(columns, 16));
  }
  v128.store(c, low);
  v128.store(c, high, 16);
}

/** `rows`, a constant, is 1 to 4. */
// @ts-ignore: decorator
@inline
function integersFew<L>(rows: i32, a: usize, b: usize, steps: i32, scales: usize, columns: usize, c: usize, stride: usize): void {
  const ROW: usize = sizeof<L>() == 4 ? 4 : 128, STEP: usize = sizeof<L>() == 4 ? 16 : 4;
  let a0 = i32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
  for (const end = b + (<usize>steps << 3); b < end; b += 16, a += STEP) {
    const x = v128.load8x8_s(b), y = v128.load8x8_s(b, 8);
    let s = v128.load32_splat(a);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(s, x));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(s, y));
    if (rows > 1) {
      s = v128.load32_splat(a, ROW);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(s, x));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(s, y));
    }
    if (rows > 2) {
      s = v128.load32_splat(a, 2 * ROW);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(s, x));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(s, y));
    }
    if (rows > 3) {
      s = v128.load32_splat(a, 3 * ROW);
      d0 = i32x4.add(d0, i32x4.dot_i16x8_s(s, x));
      d1 = i32x4.add(d1, i32x4.dot_i16x8_s(s, y));
    }
  }
  storeScaled<L>(a0, a1, v128.load32_splat(scales), columns, c);
  if (rows > 1) storeScaled<L>(b0, b1, v128.load32_splat(scales, 4), columns, c + stride);
  if (rows > 2) storeScaled<L>(c0, c1, v128.load32_splat(scales, 8), columns, c + (stride << 1));
  if (rows > 3) storeScaled<L>(d0, d1, v128.load32_splat(scales, 12), columns, c + stride * 3);
}

/**
 * The same for a q8 panel and 16-bit A. `scales`: one f32 for each row of A; `columns`: one for each of the eight columns of B,
 * for scores only (the scales of values are part of A).
 */
export function integers<L>(a: usize, b: usize, steps: i32, scales: usize, columns: usize, c: usize, stride: usize, count: i32): void {
  const quad: usize = sizeof<L>() == 4 ? <usize>steps << 3 : 512;
  for (; count >= 4; count -= 4, a += quad, c += stride << 2, scales += 16) {
    integersFew<L>(4, a, b, steps, scales, columns, c, stride);
  }
  if (count == 3) integersFew<L>(3, a, b, steps, scales, columns, c, stride);
  else if (count == 2) integersFew<L>(2, a, b, steps, scales, columns, c, stride);
  else if (count == 1) integersFew<L>(1, a, b, steps, scales, columns, c, stride);
}
