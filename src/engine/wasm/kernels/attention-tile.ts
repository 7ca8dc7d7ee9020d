/**
 * Attention of a few queries over one tile of positions, and what joins tiles: each tile gives every query its largest score,
 * the sum of its weights relative to that and the values so weighted; two such records are merged by scaling them to the larger
 * maximum (online softmax: Milakov & Gimelshein 2018, arXiv 1805.02867; FlashAttention: Dao et al. 2022, arXiv 2205.14135).
 * Tiles begin at multiples of 64 positions and are merged in their order, so the arithmetic of a query does not depend on
 * which rows or threads it is computed with. Scores are kept in units of ln 2, so that a weight is a power of two.
 */
import { paddedContext, paddedWidth, sequenceBytes } from "./attention-cache";
import { ByQuery, ByStep, TILE, floats, integers } from "./attention-products";
import { position, sequenceLength } from "./control";
import { exp2, integers4, lanesum, maxAbs } from "./simd";

/** Queries that go through a tile together, at most, where a group of heads is not larger. */
const QUERIES: i32 = 24;

/** One instruction's arguments and its thread's scratch, at the beginning of which it stands. */
@unmanaged
export class Work {
  /** Of the sequence that is in hand, as are the caches. */
  q: usize;
  y: usize;
  /** Its first row. */
  first: i32;
  stride: usize;
  keys: usize;
  values: usize;
  kvHeads: i32;
  /** Query heads of a key/value head. */
  group: i32;
  headWidth: i32;
  width: i32;
  context: i32;
  window: i32;
  /** Rows whose queries go through a tile together. */
  rows: i32;
  /** Bytes of a record: f32 values [width], largest score, sum, 8 bytes unused. */
  record: usize;
  /** Queries, [four of them][column][4] as f32, or [four][pair of columns][4][2] as i16. */
  queries: usize;
  /** f32 [query][TILE]: scores, then weights. */
  weights: usize;
  /** The weights times the values' scales as i16 [query][TILE], for q8. */
  integers: usize;
  /** Of the queries and of the integer weights, for q8. */
  queryScales: usize;
  weightScales: usize;
  /** A record for each query: of one tile, and of all tiles so far. */
  tile: usize;
  sums: usize;
  /** Behind all threads' scratch: a record for each kv head, tile and query. */
  shared: usize;
}

/** Arguments: q, k cache, v cache, y, heads, kv heads, head width, context, window (0 = none, -1 = whole sequence), scratch, bytes of it a thread, row stride. */
export function prepare(i: usize, thread: i32, threads: i32): Work {
  const scratch = <usize>load<i32>(i, 44), size = <usize>load<i32>(i, 48);
  const at = scratch + <usize>thread * size;
  const w = changetype<Work>(at);
  w.q = <usize>load<i32>(i, 8);
  w.keys = <usize>load<i32>(i, 12);
  w.values = <usize>load<i32>(i, 16);
  w.y = <usize>load<i32>(i, 20);
  w.first = 0;
  w.kvHeads = load<i32>(i, 28);
  w.group = load<i32>(i, 24) / w.kvHeads;
  w.headWidth = load<i32>(i, 32);
  w.width = paddedWidth(w.headWidth);
  w.context = paddedContext(load<i32>(i, 36));
  w.window = load<i32>(i, 40);
  w.stride = <usize>load<i32>(i, 52);
  w.rows = max(1, QUERIES / w.group);
  w.record = <usize>(w.width + 4) << 2;
  const padded = <usize>((w.rows * w.group + 3) & ~3);
  w.queries = at + 128;
  w.weights = w.queries + padded * (<usize>w.width << 2);
  w.integers = w.weights + padded * (TILE << 2);
  w.queryScales = w.integers + padded * (TILE << 1);
  w.weightScales = w.queryScales + (padded << 2);
  w.tile = w.weightScales + (padded << 2);
  w.sums = w.tile + padded * w.record;
  w.shared = scratch + <usize>threads * size;
  return w;
}

/** Goes on to the sequence behind the one that is in hand. */
export function nextSequence<T>(w: Work, length: i32): void {
  const rows = <usize>length * w.stride, bytes = sequenceBytes<T>(w.context, w.width, w.kvHeads);
  w.q += rows;
  w.y += rows;
  w.first += length;
  w.keys += bytes;
  w.values += bytes;
}

/** `count` floats times `scale`, then zeros up to `width`, a multiple of eight. */
function scaled(x: usize, count: i32, scale: f32, y: usize, width: i32): void {
  const s = f32x4.splat(scale), whole = <usize>(count & ~3) << 2;
  for (let j: usize = 0; j < whole; j += 16) v128.store(y + j, f32x4.mul(v128.load(x + j), s));
  for (let j = count & ~3; j < width; j++) store<f32>(y + (<usize>j << 2), j < count ? load<f32>(x + (<usize>j << 2)) * scale : 0);
}

/** Fetches the queries of rows [row, row + count / group) and kv head `head`, scaled by 1 / √width / ln 2. */
export function fetchQueries<T>(w: Work, head: i32, row: i32, count: i32): void {
  const scale = <f32>(1.4426950408889634 / Math.sqrt(w.headWidth)), staged = w.tile, end = staged + (<usize>w.width << 2);
  for (let m = 0; m < count; m++) {
    const from = w.q + <usize>(row + m / w.group) * w.stride + (<usize>((head * w.group + m % w.group) * w.headWidth) << 2);
    scaled(from, w.headWidth, scale, staged, w.width);
    if (sizeof<T>() == 4) {
      let to = w.queries + (<usize>(m & ~3) * <usize>w.width << 2) + (<usize>(m & 3) << 2);
      for (let x = staged; x < end; x += 16, to += 64) {
        const v = v128.load(x);
        v128.store32_lane(to, v, 0);
        v128.store32_lane(to, v, 1, 16);
        v128.store32_lane(to, v, 2, 32);
        v128.store32_lane(to, v, 3, 48);
      }
    } else {
      const most = maxAbs(staged, w.width), inverse = f32x4.splat(most > 0 ? <f32>32767 / most : 0);
      store<f32>(w.queryScales + (<usize>m << 2), most / 32767);
      let to = w.queries + (<usize>(m & ~3) * <usize>w.width << 1) + (<usize>(m & 3) << 2);
      for (let x = staged; x < end; x += 32, to += 64) {
        const pairs = i16x8.narrow_i32x4_s(integers4(v128.load(x), inverse), integers4(v128.load(x, 16), inverse));
        v128.store32_lane(to, pairs, 0);
        v128.store32_lane(to, pairs, 1, 16);
        v128.store32_lane(to, pairs, 2, 32);
        v128.store32_lane(to, pairs, 3, 48);
      }
    }
  }
}

/** Last position that the token at `place` sees. */
// @ts-ignore: decorator
@inline
export function lastSeen(w: Work, place: i32): i32 {
  return w.window < 0 ? position() + sequenceLength() - 1 : place;
}

/** First position that the token at `place` sees. */
// @ts-ignore: decorator
@inline
export function firstSeen(w: Work, place: i32): i32 {
  return w.window > 0 ? max(0, place - w.window + 1) : 0;
}

/**
 * The records of `count` queries, of rows from `row` on and kv head `head`, for tile `tile`, which at least one of them
 * sees; a query that does not gets the sum 0.
 */
export function playTile<T>(w: Work, head: i32, row: i32, count: i32, tile: i32, records: usize): void {
  const start = tile * TILE, place = position() + row, last = lastSeen(w, place + (count - 1) / w.group), width = w.width;
  const begin = max(0, firstSeen(w, place) - start) & ~7, end = (min(TILE, last + 1 - start) + 7) & ~7;
  const headBytes = <usize>w.context * <usize>width * sizeof<T>();
  const scales = headBytes * <usize>w.kvHeads + (<usize>(head * w.context + start) << 2);
  const panelBytes = (<usize>width << 3) * sizeof<T>();
  let panel = w.keys + <usize>head * headBytes + <usize>((start + begin) >> 3) * panelBytes;
  for (let t = begin; t < end; t += 8, panel += panelBytes) {
    const c = w.weights + (<usize>t << 2);
    if (sizeof<T>() == 4) floats<ByStep>(w.queries, panel, width, c, TILE << 2, count);
    else integers<ByStep>(w.queries, panel, width, w.queryScales, w.keys + scales + (<usize>t << 2), c, TILE << 2, count);
  }
  for (let m = 0; m < count; m++) {
    const seen = place + m / w.group;
    softmax<T>(w, m, begin, end, firstSeen(w, seen) - start, lastSeen(w, seen) + 1 - start, w.values + scales, records + <usize>m * w.record + (<usize>width << 2));
  }
  panel = w.values + <usize>head * headBytes + <usize>start * <usize>width * sizeof<T>() + (<usize>begin << 3) * sizeof<T>();
  for (let j = 0; j < width; j += 8, panel += (TILE << 3) * sizeof<T>()) {
    const c = records + (<usize>j << 2);
    if (sizeof<T>() == 4) floats<ByQuery>(w.weights + (<usize>begin << 2), panel, end - begin, c, w.record, count);
    else integers<ByQuery>(w.integers + (<usize>begin << 1), panel, end - begin, w.weightScales, 0, c, w.record, count);
  }
}

/** Scores [begin, end) of query m to weights; those outside [from, to) are not the query's to see and become 0. */
function softmax<T>(w: Work, m: i32, begin: i32, end: i32, from: i32, to: i32, valueScales: usize, result: usize): void {
  const scores = w.weights + (<usize>m << 8), stop = scores + (<usize>end << 2);
  if (to <= begin || from >= end) {
    memory.fill(scores + (<usize>begin << 2), 0, <usize>(end - begin) << 2);
    if (sizeof<T>() == 1) {
      memory.fill(w.integers + (<usize>m << 7) + (<usize>begin << 1), 0, <usize>(end - begin) << 1);
      store<f32>(w.weightScales + (<usize>m << 2), 0);
    }
    store<f32>(result, 0);
    store<f32>(result, 0, 4);
    return;
  }
  for (let t = begin; t < from; t++) store<f32>(scores + (<usize>t << 2), -Infinity);
  for (let t = to; t < end; t++) store<f32>(scores + (<usize>t << 2), -Infinity);
  let most = f32x4.splat(-Infinity);
  for (let p = scores + (<usize>begin << 2); p < stop; p += 32) {
    most = f32x4.pmax(most, f32x4.pmax(v128.load(p), v128.load(p, 16)));
  }
  most = f32x4.pmax(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
  most = f32x4.pmax(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2));
  store<f32>(result, f32x4.extract_lane(most, 0));
  let sum = f32x4.splat(0), greatest = sum;
  for (let p = scores + (<usize>begin << 2); p < stop; p += 32) {
    let a = exp2(f32x4.sub(v128.load(p), most)), b = exp2(f32x4.sub(v128.load(p, 16), most));
    sum = f32x4.add(sum, a);
    sum = f32x4.add(sum, b);
    if (sizeof<T>() == 1) {
      const s = valueScales + (p - scores);
      a = f32x4.mul(a, v128.load(s));
      b = f32x4.mul(b, v128.load(s, 16));
      greatest = f32x4.pmax(greatest, f32x4.pmax(a, b));
    }
    v128.store(p, a);
    v128.store(p, b, 16);
  }
  store<f32>(result, lanesum(sum), 4);
  if (sizeof<T>() == 1) integerWeights(w, m, begin, end, greatest);
}

function integerWeights(w: Work, m: i32, begin: i32, end: i32, greatest: v128): void {
  greatest = f32x4.pmax(greatest, v128.shuffle<i32>(greatest, greatest, 2, 3, 0, 1));
  greatest = f32x4.pmax(greatest, v128.shuffle<i32>(greatest, greatest, 1, 0, 3, 2));
  const most = f32x4.extract_lane(greatest, 0), inverse = f32x4.splat(most > 0 ? <f32>32767 / most : 0);
  store<f32>(w.weightScales + (<usize>m << 2), most / 32767);
  const from = w.weights + (<usize>m << 8), to = w.integers + (<usize>m << 7);
  for (let t = begin; t < end; t += 8) {
    const p = from + (<usize>t << 2);
    v128.store(
      to + (<usize>t << 1),
      i16x8.narrow_i32x4_s(integers4(v128.load(p), inverse), integers4(v128.load(p, 16), inverse)),
    );
  }
}

/** Nothing seen yet: what the first record is merged into. */
export function clear(w: Work, sums: usize): void {
  const end = <usize>w.width << 2;
  memory.fill(sums, 0, w.record);
  store<f32>(sums + end, -Infinity);
}

/** Adds a tile's record of a query to the query's record of all tiles before. */
export function merge(w: Work, sums: usize, tile: usize): void {
  const end = <usize>w.width << 2, sum = load<f32>(tile + end, 4);
  if (sum == 0) return;
  const before = load<f32>(sums + end), now = load<f32>(tile + end), most = max(before, now);
  const factors = exp2(f32x4.replace_lane(f32x4.splat(now - most), 0, before - most));
  const a = f32x4.extract_lane(factors, 0), b = f32x4.extract_lane(factors, 1), a4 = f32x4.splat(a), b4 = f32x4.splat(b);
  for (let j: usize = 0; j < end; j += 32) {
    v128.store(sums + j, f32x4.add(f32x4.mul(v128.load(sums + j), a4), f32x4.mul(v128.load(tile + j), b4)));
    v128.store(sums + j, f32x4.add(f32x4.mul(v128.load(sums + j, 16), a4), f32x4.mul(v128.load(tile + j, 16), b4)), 16);
  }
  store<f32>(sums + end, most);
  store<f32>(sums + end, load<f32>(sums + end, 4) * a + sum * b, 4);
}

/** y of a row and query head from the query's record of all tiles. */
export function finish(w: Work, sums: usize, row: i32, head: i32): void {
  const width = w.headWidth, scale = <f32>1 / load<f32>(sums + (<usize>w.width << 2), 4);
  const y = w.y + <usize>row * w.stride + (<usize>(head * width) << 2);
  let j = 0;
  for (; j + 4 <= width; j += 4) v128.store(y + (<usize>j << 2), f32x4.mul(v128.load(sums + (<usize>j << 2)), f32x4.splat(scale)));
  for (; j < width; j++) store<f32>(y + (<usize>j << 2), load<f32>(sums + (<usize>j << 2)) * scale);
}
