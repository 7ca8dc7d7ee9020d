/**
 * The cache of one played step: keys and values, each [sequence][kv head][positions][head width padded to eight], laid out so that
 * attention reads both as panels of eight (attention-products.ts), positions padded to whole tiles.
 *
 * Keys: panels of eight positions, [panel][column][8]. Values: tiles of 64 positions, [tile][panel of eight columns][64][8].
 * As q8, columns of keys and positions of values stand in pairs side by side, and one f32 scale for each head and position
 * follows the integers: x = n · s, s = max|x| / 127.
 */
import { positionOf, rows, sequenceLength, slice } from "./control";
import { TILE } from "./attention-products";
import { turn } from "./rope";
import { integers4, maxAbs } from "./simd";

// @ts-ignore: decorator
@inline
export function paddedWidth(headWidth: i32): i32 {
  return (headWidth + 7) & ~7;
}

/** Bytes of the keys, or of the values, of one sequence of `context` positions, a multiple of 64. */
// @ts-ignore: decorator
@inline
export function sequenceBytes<T>(context: i32, width: i32, heads: i32): usize {
  return <usize>heads * <usize>context * (<usize>width * sizeof<T>() + (sizeof<T>() == 1 ? 4 : 0));
}

// @ts-ignore: decorator
@inline
export function paddedContext(context: i32): i32 {
  return (context + TILE - 1) & ~(TILE - 1);
}

/** Eight columns as 8-bit integers, in the lower half. */
// @ts-ignore: decorator
@inline
function integers8(x: usize, inverse: v128): v128 {
  const n = i16x8.narrow_i32x4_s(integers4(v128.load(x), inverse), integers4(v128.load(x, 16), inverse));
  return i8x16.narrow_i16x8_s(n, n);
}

/** 127 / the largest magnitude of a row; its inverse is stored as the scale of position `place`. */
// @ts-ignore: decorator
@inline
function storeScale(row: usize, width: i32, scales: usize, place: i32): v128 {
  const most = maxAbs(row, width);
  store<f32>(scales + (<usize>place << 2), most / 127);
  return f32x4.splat(most > 0 ? <f32>127 / most : 0);
}

/** Writes a key [width] to position `place` of the keys of its head; T is f32 or i8. */
function writeKey<T>(row: usize, keys: usize, scales: usize, place: i32, width: i32): void {
  const end = row + (<usize>width << 2), at = <usize>(place & 7);
  let to = keys + <usize>(place & ~7) * <usize>width * sizeof<T>();
  if (sizeof<T>() == 4) {
    to += at << 2;
    for (let x = row; x < end; x += 16, to += 128) {
      const v = v128.load(x);
      v128.store32_lane(to, v, 0);
      v128.store32_lane(to, v, 1, 32);
      v128.store32_lane(to, v, 2, 64);
      v128.store32_lane(to, v, 3, 96);
    }
  } else {
    const inverse = storeScale(row, width, scales, place);
    to += at << 1;
    for (let x = row; x < end; x += 32, to += 64) {
      const n = integers8(x, inverse);
      v128.store16_lane(to, n, 0);
      v128.store16_lane(to, n, 1, 16);
      v128.store16_lane(to, n, 2, 32);
      v128.store16_lane(to, n, 3, 48);
    }
  }
}

/** Writes a value [width] to position `place` of the values of its head. */
function writeValue<T>(row: usize, values: usize, scales: usize, place: i32, width: i32): void {
  const end = row + (<usize>width << 2), at = <usize>(place & (TILE - 1));
  let to = values + <usize>(place & ~(TILE - 1)) * <usize>width * sizeof<T>();
  if (sizeof<T>() == 4) {
    to += at << 5;
    for (let x = row; x < end; x += 32, to += TILE << 5) {
      v128.store(to, v128.load(x));
      v128.store(to, v128.load(x, 16), 16);
    }
  } else {
    const inverse = storeScale(row, width, scales, place);
    to += ((at & ~1) << 3) + (at & 1);
    for (let x = row; x < end; x += 32, to += TILE << 3) {
      const n = integers8(x, inverse);
      v128.store8_lane(to, n, 0);
      v128.store8_lane(to, n, 1, 2);
      v128.store8_lane(to, n, 2, 4);
      v128.store8_lane(to, n, 3, 6);
      v128.store8_lane(to, n, 4, 8);
      v128.store8_lane(to, n, 5, 10);
      v128.store8_lane(to, n, 6, 12);
      v128.store8_lane(to, n, 7, 14);
    }
  }
}

/**
 * Turns the keys of the rows by their positions' angles and appends them and the values to the cache. Arguments: k, v,
 * k cache, v cache, kv heads, head width, context, row stride, cos table, sin table (0: keys stay as they are), scratch, bytes
 * of it a thread.
 */
// @ts-ignore: decorator
@inline
function append<T>(i: usize, thread: i32, threads: i32): void {
  const k = <usize>load<i32>(i, 8), v = <usize>load<i32>(i, 12), keys = <usize>load<i32>(i, 16), values = <usize>load<i32>(i, 20);
  const heads = load<i32>(i, 24), headWidth = load<i32>(i, 28), context = paddedContext(load<i32>(i, 32)), stride = <usize>load<i32>(i, 36);
  const cosines = <usize>load<i32>(i, 40), sines = <usize>load<i32>(i, 44);
  const scratch = <usize>load<i32>(i, 48) + <usize>thread * <usize>load<i32>(i, 52);
  const width = paddedWidth(headWidth), bytes = <usize>headWidth << 2, half = bytes >> 1, whole = width == headWidth;
  const headBytes = <usize>context * <usize>width * sizeof<T>(), scales = headBytes * <usize>heads, headScales = <usize>context << 2;
  memory.fill(scratch + bytes, 0, (<usize>width << 2) - bytes);
  const total = rows() * heads, length = sequenceLength(), bytesOfSequence = sequenceBytes<T>(context, width, heads);
  for (let at = slice(total, thread, threads), end = slice(total, thread + 1, threads); at < end; at++) {
    const head = <usize>(at % heads), m = at / heads, place = positionOf(m);
    const from = <usize>m * stride + head * bytes, sequence = <usize>(m / length) * bytesOfSequence;
    let row = scratch;
    if (cosines) turn(k + from, row, half, cosines + <usize>place * half, sines + <usize>place * half);
    else row = padded(k + from, bytes, scratch, whole);
    writeKey<T>(row, keys + sequence + head * headBytes, keys + sequence + scales + head * headScales, place, width);
    row = padded(v + from, bytes, scratch, whole);
    writeValue<T>(row, values + sequence + head * headBytes, values + sequence + scales + head * headScales, place, width);
  }
}

/** Where a head's `bytes` are followed by zeros up to its padded width: where they are, or else a copy in the scratch. */
// @ts-ignore: decorator
@inline
function padded(x: usize, bytes: usize, scratch: usize, whole: bool): usize {
  if (whole) return x;
  memory.copy(scratch, x, bytes);
  return scratch;
}

export function cacheAppend(i: usize, thread: i32, threads: i32): void {
  append<f32>(i, thread, threads);
}

export function cacheAppendQ8(i: usize, thread: i32, threads: i32): void {
  append<i8>(i, thread, threads);
}
