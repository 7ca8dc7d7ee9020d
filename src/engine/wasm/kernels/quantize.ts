/**
 * Activations to integers, a scale per block of 32: what the q8 and q4 products read.
 * i16: x = n · s, s = max|x| / 32,767. i8: x = n · s, s = max|x| / 127, and 8 times the sum of n, for the offset of the nibbles.
 * Rows are divided among threads; where there are fewer rows than threads, the blocks of a row are.
 *
 * Arguments: x, y, K, x stride, y stride.
 */
import { FLAG_I16, FLAG_I8, rowCount, slice } from "./control";
import { lanemax } from "./simd";

// @ts-ignore: decorator
@inline
function maxAbs(x: usize): f32 {
  const a = f32x4.max(f32x4.abs(v128.load(x)), f32x4.abs(v128.load(x, 16)));
  const b = f32x4.max(f32x4.abs(v128.load(x, 32)), f32x4.abs(v128.load(x, 48)));
  const c = f32x4.max(f32x4.abs(v128.load(x, 64)), f32x4.abs(v128.load(x, 80)));
  const d = f32x4.max(f32x4.abs(v128.load(x, 96)), f32x4.abs(v128.load(x, 112)));
  return lanemax(f32x4.max(f32x4.max(a, b), f32x4.max(c, d)));
}

/** Eight floats times `inverse`, rounded to nearest even, as i16. */
// @ts-ignore: decorator
@inline
function integers8(x: usize, inverse: v128): v128 {
  return i16x8.narrow_i32x4_s(
    i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), inverse))),
    i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 16), inverse))),
  );
}

function blockI16(x: usize, n: usize, scale: usize): void {
  const most = maxAbs(x);
  const inverse = f32x4.splat(most > 0 ? <f32>32767 / most : 0);
  store<f32>(scale, most / 32767);
  for (let j: usize = 0; j < 4; j++) v128.store(n + (j << 4), integers8(x + (j << 5), inverse));
}

function blockI8(x: usize, n: usize, scale: usize, sum: usize): void {
  const most = maxAbs(x);
  const inverse = f32x4.splat(most > 0 ? <f32>127 / most : 0);
  store<f32>(scale, most / 127);
  const a = integers8(x, inverse), b = integers8(x + 32, inverse), c = integers8(x + 64, inverse), d = integers8(x + 96, inverse);
  v128.store(n, i8x16.narrow_i16x8_s(a, b));
  v128.store(n, i8x16.narrow_i16x8_s(c, d), 16);
  const s = i32x4.extadd_pairwise_i16x8_s(i16x8.add(i16x8.add(a, b), i16x8.add(c, d)));
  store<i32>(sum, (i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1) + i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3)) << 3);
}

/** Block `block` of a row: from `x` + 128 · block to the integer row `y`. */
// @ts-ignore: decorator
@inline
function quantizeBlock<T>(x: usize, y: usize, K: usize, block: usize): void {
  const scales = y + K * sizeof<T>();
  const from = x + (block << 7), scale = scales + (block << 2);
  if (sizeof<T>() == 2) blockI16(from, y + (block << 6), scale);
  else blockI8(from, y + (block << 5), scale, scale + (K >> 3));
}

// @ts-ignore: decorator
@inline
function quantize<T>(i: usize, thread: i32, threads: i32): void {
  const x = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 12), K = load<i32>(i, 16);
  const xStride = <usize>load<i32>(i, 20), yStride = <usize>load<i32>(i, 24);
  const blocks = K >> 5, total = rowCount(i) * blocks;
  for (let at = slice(total, thread, threads), end = slice(total, thread + 1, threads); at < end; at++) {
    const row = <usize>(at / blocks);
    quantizeBlock<T>(x + row * xStride, y + row * yStride, K, at % blocks);
  }
}

/** Whether an instruction also wants its result in integers. */
// @ts-ignore: decorator
@inline
export function wantsIntegers(i: usize): bool {
  return (load<i32>(i, 4) & (FLAG_I16 | FLAG_I8)) != 0;
}

/**
 * For kernels whose thread has just written columns [32 · first, 32 · (first + count)) of row `row` at `x`: their
 * integers, to the place that the instruction's last two words name. It spares an instruction and its barrier.
 */
export function alsoQuantize(i: usize, x: usize, row: i32, K: i32, first: i32, count: i32): void {
  const y = <usize>load<i32>(i, 56) + <usize>row * <usize>load<i32>(i, 60);
  for (let block = first; block < first + count; block++) {
    if (load<i32>(i, 4) & FLAG_I16) quantizeBlock<i16>(x, y, K, block);
    else quantizeBlock<i8>(x, y, K, block);
  }
}

export function quantizeI16(i: usize, thread: i32, threads: i32): void {
  quantize<i16>(i, thread, threads);
}

export function quantizeI8(i: usize, thread: i32, threads: i32): void {
  quantize<i8>(i, thread, threads);
}
