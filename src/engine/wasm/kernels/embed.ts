/**
 * Rows of a weight matrix as f32: the embedding of tokens or positions, and the way back from packed weights to numbers.
 */
import { Q4_1_BLOCK, Q4_BLOCK } from "./linear-q4";
import { Q8_BLOCK } from "./linear-q8";
import { positionOf, rowCount, slice } from "./control";
import { groupAddress } from "./shares";
import { halfToFloat } from "./simd";

/** Storage types, as the TypeScript side numbers them. */
export const F32: i32 = 0;
export const F16: i32 = 1;
export const Q8: i32 = 2;
export const Q4: i32 = 3;
export const Q4_1: i32 = 4;

/** Writes columns [0, K) of one row; K is the padded width. */
export function unpackRow(type: i32, w: usize, row: i32, K: i32, y: usize): void {
  unpackColumns(type, w, row, K, 0, K, y);
}

/**
 * Writes columns [first, end) of one row, whole blocks of 32. `w` is where the matrix begins; of a quantized one, its table of
 * shares.
 */
export function unpackColumns(type: i32, w: usize, row: i32, K: i32, first: i32, end: i32, y: usize): void {
  const group = <usize>(row >> 4), r = <usize>(row & 15), columns = <usize>K;
  if (type == F32) {
    w += (group * columns << 6) + (r << 2);
    for (let k = <usize>first; k < <usize>end; k++, y += 4) store<f32>(y, load<f32>(w + (k << 6)));
    return;
  }
  if (type == F16) {
    w += (group * columns << 5) + (r << 1);
    for (let k = <usize>first; k < <usize>end; k++, y += 4) store<f32>(y, halfToFloat(load<u16>(w + (k << 5))));
    return;
  }
  const blocks = columns >> 5;
  if (type == Q8) {
    const from = groupAddress(w, row >> 4, blocks * Q8_BLOCK);
    for (let b = <usize>first >> 5; b < <usize>end >> 5; b++, y += 128) {
      const at = from + b * Q8_BLOCK, scale = halfToFloat(load<u16>(at + 512 + (r << 1)));
      for (let k: usize = 0; k < 32; k++) {
        const n = load<i8>(at + ((k >> 2) << 6) + (r << 2) + (k & 3));
        store<f32>(y + (k << 2), <f32>n * scale);
      }
    }
    return;
  }
  const bytes = type == Q4 ? Q4_BLOCK : Q4_1_BLOCK, from = groupAddress(w, row >> 4, blocks * bytes);
  for (let b = <usize>first >> 5; b < <usize>end >> 5; b++, y += 128) {
    const at = from + b * bytes, scale = halfToFloat(load<u16>(at + 256 + (r << 1)));
    const minimum = type == Q4 ? <f32>0 : halfToFloat(load<u16>(at + 288 + (r << 1)));
    for (let k: usize = 0; k < 32; k++) {
      const byte = load<u8>(at + (((k & 15) >> 2) << 6) + (r << 2) + (k & 3));
      const n = <i32>(k < 16 ? byte & 15 : byte >> 4);
      const value = type == Q4 ? <f32>(n - 8) * scale : <f32>n * scale + minimum;
      store<f32>(y + (k << 2), value);
    }
  }
}

/** What stands for the address of the tokens where every row takes the first of the table. */
const FIRST: usize = 0xffffffff;

/** The row of a table that row m of the play takes: its token's, its position's where `tokens` is 0, or the first. */
// @ts-ignore: decorator
@inline
export function tableRow(tokens: usize, m: i32): i32 {
  if (tokens == FIRST) return 0;
  return tokens ? load<i32>(tokens + (<usize>m << 2)) : positionOf(m);
}

/** Arguments: table, type, K (padded), tokens (i32 each; see `tableRow`), y, y stride. */
export function embed(i: usize, thread: i32, threads: i32): void {
  const table = <usize>load<i32>(i, 8), type = load<i32>(i, 12), K = load<i32>(i, 16), tokens = <usize>load<i32>(i, 20);
  const y = <usize>load<i32>(i, 24), stride = <usize>load<i32>(i, 28), rows = rowCount(i);
  for (let m = slice(rows, thread, threads), end = slice(rows, thread + 1, threads); m < end; m++) {
    const row = tableRow(tokens, m);
    unpackRow(type, table, row, K, y + <usize>m * stride);
  }
}
