/**
 * Attention over a cache of keys and values (Vaswani et al. 2017, eq. 1), with grouped queries: the query heads of a
 * group read one key/value head (Ainslie et al. 2023, arXiv 2305.13245), and an optional sliding window; or, in an encoder, not causal: each token sees its whole sequence. Queries of a group and
 * of several rows go through the cache together, tile by tile (attention-tile.ts).
 *
 * Work is divided by sequences, kv heads and rows, weighed by the positions that they see. Where a single set of rows is to be
 * computed (decoding) and the kv heads do not divide evenly among the threads, by tiles too: each tile's record is kept, all
 * threads meet, and the records are merged in the order in which one thread would have merged them.
 */
import { TILE } from "./attention-products";
import { Work, clear, fetchQueries, finish, firstSeen, lastSeen, merge, nextSequence, playTile, prepare } from "./attention-tile";
import { barrier, position, rowCount, sequenceLength, slice } from "./control";
import { alsoQuantize, wantsIntegers } from "./quantize";

/** What belongs to a finished head of a row: zeros behind the last head, and integers where they are wanted. */
function finishHead(i: usize, w: Work, sums: usize, row: i32, head: i32): void {
  finish(w, sums, row, head);
  const heads = w.kvHeads * w.group, y = w.y + <usize>row * w.stride, used = <usize>(heads * w.headWidth) << 2;
  if (head == heads - 1) memory.fill(y + used, 0, w.stride - used);
  // Heads are whole blocks of 32 columns here: the plan asks for integers only then.
  const blocks = w.headWidth >> 5;
  if (wantsIntegers(i)) alsoQuantize(i, y, w.first + row, <i32>(w.stride >> 2), head * blocks, blocks);
}

/** Rows [row, row + rows) of the sequence in hand and kv head `head`, all tiles one after another. */
function playRows<T>(i: usize, w: Work, head: i32, row: i32, rows: i32): void {
  const count = rows * w.group, place = position() + row;
  fetchQueries<T>(w, head, row, count);
  for (let m = 0; m < count; m++) clear(w, w.sums + <usize>m * w.record);
  for (let tile = firstSeen(w, place) / TILE, last = lastSeen(w, place + rows - 1) / TILE; tile <= last; tile++) {
    playTile<T>(w, head, row, count, tile, w.tile);
    for (let m = 0; m < count; m++) merge(w, w.sums + <usize>m * w.record, w.tile + <usize>m * w.record);
  }
  for (let m = 0; m < count; m++) {
    finishHead(i, w, w.sums + <usize>m * w.record, row + m / w.group, head * w.group + m % w.group);
  }
}

/** All rows at once, tiles divided among threads. */
function playTiles<T>(i: usize, w: Work, rows: i32, thread: i32, threads: i32): void {
  const count = rows * w.group, place = position(), set = <usize>count * w.record;
  const first = firstSeen(w, place) / TILE, tiles = lastSeen(w, place + rows - 1) / TILE - first + 1;
  const total = w.kvHeads * tiles;
  let fetched = -1;
  for (let at = slice(total, thread, threads), end = slice(total, thread + 1, threads); at < end; at++) {
    const head = at / tiles;
    if (head != fetched) fetchQueries<T>(w, head, 0, count);
    fetched = head;
    playTile<T>(w, head, 0, count, first + (at % tiles), w.shared + <usize>at * set);
  }
  barrier(thread, threads);
  const queries = w.kvHeads * count;
  for (let at = slice(queries, thread, threads), end = slice(queries, thread + 1, threads); at < end; at++) {
    const head = at / count, m = at % count;
    clear(w, w.sums);
    for (let tile = 0; tile < tiles; tile++) {
      merge(w, w.sums, w.shared + <usize>(head * tiles + tile) * set + <usize>m * w.record);
    }
    finishHead(i, w, w.sums, m / w.group, head * w.group + m % w.group);
  }
}

/** Positions that rows [row, row + rows) of a sequence see, all together. */
// @ts-ignore: decorator
@inline
function weight(w: Work, row: i32, rows: i32): i64 {
  const last = position() + row + rows - 1;
  return <i64>rows * <i64>(lastSeen(w, last) - firstSeen(w, last) + 1);
}

// @ts-ignore: decorator
@inline
function play<T>(i: usize, thread: i32, threads: i32): void {
  const w = prepare(i, thread, threads), rows = rowCount(i), length = sequenceLength();
  if (rows <= w.rows && rows == length && w.kvHeads % threads != 0 && position() + rows > TILE) {
    playTiles<T>(i, w, rows, thread, threads);
    return;
  }
  let total: i64 = 0;
  for (let row = 0; row < length; row += w.rows) total += weight(w, row, min(w.rows, length - row));
  total *= w.kvHeads * (rows / length);
  // A set of rows belongs to the thread in whose share of the whole weight its middle lies.
  const begin = (2 * total * <i64>thread) / <i64>threads, end = (2 * total * <i64>(thread + 1)) / <i64>threads;
  let before: i64 = 0;
  for (; w.first < rows; nextSequence<T>(w, length)) {
    for (let head = 0; head < w.kvHeads; head++) {
      for (let row = 0; row < length; row += w.rows) {
        const n = min(w.rows, length - row), own = weight(w, row, n), middle = 2 * before + own;
        if (middle >= begin && middle < end) playRows<T>(i, w, head, row, n);
        before += own;
      }
    }
  }
}

export function attention(i: usize, thread: i32, threads: i32): void {
  play<f32>(i, thread, threads);
}

export function attentionQ8(i: usize, thread: i32, threads: i32): void {
  play<i8>(i, thread, threads);
}
