/**
 * The cache of one played step: keys and values, each [kv head][positions][head width padded to eight], laid out so that
 * attention reads both as panels of eight (attention-products.ts), positions padded to whole tiles.
 *
 * Keys: panels of eight positions, [panel][column][8]. Values: tiles of 64 positions, [tile][panel of eight columns][64][8].
 * As q8, columns of keys and positions of values stand in pairs side by side, and one f32 scale for each head and position
 * follows the integers: x = n · s, s = max|x| / 127.
 */
import { position, rows, slice } from "./control";
import { TILE } from "./attention-products";
import { turn } from "./rope";
import { integers4, maxAbs } from "./simd";

// @ts-ignore: decorator
@inline
export function paddedWidth(headWidth: i32): i32 {
  return (headWidth + 7) & ~7;
}

// @ts-ignore: decorator
@inline
export function paddedContext(context: i32): i32 {
  return (context + TILE - 1) & ~(TILE - 1);
}

/** Byte of column `j` of a key at position `place`, relative to its head; T is f32 or i8. */
// @ts-ignore: decorator
@inline
function keyOffset<T>(place: i32, j: i32, width: i32): usize {
  const panel = <usize>(place & ~7) * <usize>width, at = place & 7;
  if (sizeof<T>() == 4) return (panel + <usize>((j << 3) + at)) << 2;
  return panel + <usize>(((j >> 1) << 4) + (at << 1) + (j & 1));
}

/** Byte of column `j` of a value at position `place`, relative to its head. */
// @ts-ignore: decorator
@inline
function valueOffset<T>(place: i32, j: i32, width: i32): usize {
  const at = place & (TILE - 1), panel = <usize>(place & ~(TILE - 1)) * <usize>width + <usize>((j >> 3) * (TILE << 3));
  if (sizeof<T>() == 4) return (panel + <usize>((at << 3) + (j & 7))) << 2;
  return panel + <usize>(((at >> 1) << 4) + ((j & 7) << 1) + (at & 1));
}

function writeKey<T>(row: usize, head: usize, scale: usize, place: i32, headWidth: i32, width: i32): void {
  if (sizeof<T>() == 4) {
    let to = head + keyOffset<f32>(place, 0, width);
    for (let j = 0; j < headWidth; j++, to += 32) store<f32>(to, load<f32>(row + (<usize>j << 2)));
    return;
  }
  const most = maxAbs(row, width), inverse = f32x4.splat(most > 0 ? <f32>127 / most : 0);
  store<f32>(scale + (<usize>place << 2), most / 127);
  for (let j = 0; j < width; j += 4) {
    const n = integers4(v128.load(row + (<usize>j << 2)), inverse);
    const to = head + keyOffset<i8>(place, j, width);
    store<i8>(to, <i8>i32x4.extract_lane(n, 0));
    store<i8>(to, <i8>i32x4.extract_lane(n, 1), 1);
    store<i8>(to, <i8>i32x4.extract_lane(n, 2), 16);
    store<i8>(to, <i8>i32x4.extract_lane(n, 3), 17);
  }
}

function writeValue<T>(row: usize, head: usize, scale: usize, place: i32, headWidth: i32, width: i32): void {
  if (sizeof<T>() == 4) {
    for (let j = 0; j < headWidth; j += 8) {
      memory.copy(head + valueOffset<f32>(place, j, width), row + (<usize>j << 2), <usize>min(8, headWidth - j) << 2);
    }
    return;
  }
  const most = maxAbs(row, width), inverse = f32x4.splat(most > 0 ? <f32>127 / most : 0);
  store<f32>(scale + (<usize>place << 2), most / 127);
  for (let j = 0; j < width; j += 4) {
    const n = integers4(v128.load(row + (<usize>j << 2)), inverse);
    const to = head + valueOffset<i8>(place, j, width);
    store<i8>(to, <i8>i32x4.extract_lane(n, 0));
    store<i8>(to, <i8>i32x4.extract_lane(n, 1), 2);
    store<i8>(to, <i8>i32x4.extract_lane(n, 2), 4);
    store<i8>(to, <i8>i32x4.extract_lane(n, 3), 6);
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
  const row = <usize>load<i32>(i, 48) + <usize>thread * <usize>load<i32>(i, 52);
  const width = paddedWidth(headWidth), bytes = <usize>headWidth << 2, half = bytes >> 1;
  const headBytes = <usize>context * <usize>width * sizeof<T>(), scales = headBytes * <usize>heads, headScales = <usize>context << 2;
  memory.fill(row + bytes, 0, (<usize>width << 2) - bytes);
  const total = rows() * heads;
  for (let at = slice(total, thread, threads), end = slice(total, thread + 1, threads); at < end; at++) {
    const head = <usize>(at % heads), place = position() + at / heads;
    const from = <usize>(at / heads) * stride + head * bytes;
    if (cosines) turn(k + from, row, half, cosines + <usize>place * half, sines + <usize>place * half);
    else memory.copy(row, k + from, bytes);
    writeKey<T>(row, keys + head * headBytes, keys + scales + head * headScales, place, headWidth, width);
    memory.copy(row, v + from, bytes);
    writeValue<T>(row, values + head * headBytes, values + scales + head * headScales, place, headWidth, width);
  }
}

export function cacheAppend(i: usize, thread: i32, threads: i32): void {
  append<f32>(i, thread, threads);
}

export function cacheAppendQ8(i: usize, thread: i32, threads: i32): void {
  append<i8>(i, thread, threads);
}
