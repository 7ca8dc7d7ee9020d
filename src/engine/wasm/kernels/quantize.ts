/**
 * Activations to integers, which the q4 and q8 products read: x = n · s with |n| ≤ 127, a scale s per block of 32.
 *
 * Two forms of a row of K (a multiple of 32): `signed`, for nibbles, is K bytes n; `split`, for bytes, is K bytes |n|, then
 * K bytes of sign masks (0 or -1), since one operand of the dot product has to be 0…127. Behind either stands a header for
 * each block: its scale times 2^112 (what the weights' scales lack, see `scaledHalf4`), where the sums of products start
 * (`signed`: -8 · Σ n, the offset of the nibbles; `split`: what the sign masks leave out), and scale · Σ n for minima.
 *
 * Blocks are divided among threads. Arguments: x, y, K, x stride, y stride.
 */
import { FLAG_SIGNED, FLAG_SPLIT, rowCount, slice } from "./control";
import { ACTIVATION_SCALE, startOfSum } from "./dot";
import { integers4, lanemax } from "./simd";

/** Bytes of a block's header, and what stands where in it. */
export const HEADER: usize = 12;
export const SCALE: usize = 0;
export const START: usize = 4;
export const SUM: usize = 8;

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
  return i16x8.narrow_i32x4_s(integers4(v128.load(x), inverse), integers4(v128.load(x, 16), inverse));
}

// @ts-ignore: decorator
@inline
function total(n: v128): i32 {
  const s = i32x4.extadd_pairwise_i16x8_s(n);
  return i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1) + (i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3));
}

/** Block `block` of a row: from `x` + 128 · block to the integer row `y`; `i8` stands for `signed`, `i16` for `split`. */
// @ts-ignore: decorator
@inline
function quantizeBlock<Form>(x: usize, y: usize, K: usize, block: usize): void {
  const from = x + (block << 7), to = y + (block << 5), header = y + K * sizeof<Form>() + block * HEADER;
  const most = maxAbs(from), inverse = f32x4.splat(most > 0 ? <f32>127 / most : 0), scale: f32 = (most / 127) * ACTIVATION_SCALE;
  const a = integers8(from, inverse), b = integers8(from + 32, inverse), c = integers8(from + 64, inverse), d = integers8(from + 96, inverse);
  const first = i8x16.narrow_i16x8_s(a, b), second = i8x16.narrow_i16x8_s(c, d);
  const sum = total(i16x8.add(i16x8.add(a, b), i16x8.add(c, d)));
  store<f32>(header, scale, SCALE);
  if (sizeof<Form>() == 1) {
    v128.store(to, first);
    v128.store(to, second, 16);
    store<i32>(header, startOfSum(-8 * sum), START);
    store<f32>(header, <f32>sum * scale, SUM);
  } else {
    const zero = i32x4.splat(0);
    v128.store(to, i8x16.abs(first));
    v128.store(to, i8x16.abs(second), 16);
    v128.store(to + K, i8x16.lt_s(first, zero));
    v128.store(to + K, i8x16.lt_s(second, zero), 16);
    const magnitudes = total(i16x8.add(i16x8.add(i16x8.abs(a), i16x8.abs(b)), i16x8.add(i16x8.abs(c), i16x8.abs(d))));
    store<i32>(header, (magnitudes - sum) >> 1, START);
  }
}

// @ts-ignore: decorator
@inline
function quantize<Form>(i: usize, thread: i32, threads: i32): void {
  const x = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 12), K = load<i32>(i, 16);
  const xStride = <usize>load<i32>(i, 20), yStride = <usize>load<i32>(i, 24);
  const blocks = K >> 5, total = rowCount(i) * blocks;
  for (let at = slice(total, thread, threads), end = slice(total, thread + 1, threads); at < end; at++) {
    const row = <usize>(at / blocks);
    quantizeBlock<Form>(x + row * xStride, y + row * yStride, K, at % blocks);
  }
}

/** Whether an instruction also wants its result in integers. */
// @ts-ignore: decorator
@inline
export function wantsIntegers(i: usize): bool {
  return (load<i32>(i, 4) & (FLAG_SIGNED | FLAG_SPLIT)) != 0;
}

/**
 * For kernels whose thread has just written columns [32 · first, 32 · (first + count)) of row `row` at `x`: their
 * integers, to the place that the instruction's last two words name. It spares an instruction and its barrier.
 */
export function alsoQuantize(i: usize, x: usize, row: i32, K: i32, first: i32, count: i32): void {
  const y = <usize>load<i32>(i, 56) + <usize>row * <usize>load<i32>(i, 60);
  for (let block = first; block < first + count; block++) {
    if (load<i32>(i, 4) & FLAG_SPLIT) quantizeBlock<i16>(x, y, K, block);
    else quantizeBlock<i8>(x, y, K, block);
  }
}

export function quantizeSigned(i: usize, thread: i32, threads: i32): void {
  quantize<i8>(i, thread, threads);
}

export function quantizeSplit(i: usize, thread: i32, threads: i32): void {
  quantize<i16>(i, thread, threads);
}
