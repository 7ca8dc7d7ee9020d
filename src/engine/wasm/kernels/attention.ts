/**
 * Causal attention over a cache of keys and values (Vaswani et al. 2017, eq. 1), with grouped queries: query head h reads
 * key/value head h · kvHeads / heads (Ainslie et al. 2023, arXiv 2305.13245), and an optional sliding window.
 *
 * The cache of one played step is [kv head][position][head width] f32, so a head is read as one stream. A pair of row and
 * query head belongs to one thread and is computed in one order, whatever the chunking of the prompt.
 */
import { position, rowCount, rows, slice } from "./control";
import { alsoQuantize, wantsIntegers } from "./quantize";
import { turn } from "./rope";
import { exp4, lanemax, lanesum, madd } from "./simd";

/**
 * Turns the keys of the rows by their positions' angles and appends them and the values to the cache. Arguments: k, v,
 * k cache, v cache, kv heads, head width, context, row stride, cos table, sin table (0: keys stay as they are).
 */
export function cacheAppend(i: usize, thread: i32, threads: i32): void {
  const k = <usize>load<i32>(i, 8), v = <usize>load<i32>(i, 12), kCache = <usize>load<i32>(i, 16), vCache = <usize>load<i32>(i, 20);
  const heads = load<i32>(i, 24), width = <usize>load<i32>(i, 28) << 2, context = load<i32>(i, 32), stride = <usize>load<i32>(i, 36);
  const cosines = <usize>load<i32>(i, 40), sines = <usize>load<i32>(i, 44);
  const total = rows() * heads;
  for (let at = slice(total, thread, threads), end = slice(total, thread + 1, threads); at < end; at++) {
    const row = at / heads, head = at % heads, place = position() + row;
    const from = <usize>row * stride + <usize>head * width;
    const to = (<usize>head * <usize>context + <usize>place) * width;
    memory.copy(vCache + to, v + from, width);
    if (cosines) {
      const table = <usize>place * (width >> 1);
      turn(k + from, kCache + to, width >> 1, cosines + table, sines + table);
    } else memory.copy(kCache + to, k + from, width);
  }
}

/** score[t] = q · k[t] · scale for t in [from, to). */
function scoreRow(q: usize, k: usize, width: usize, count: i32, scale: f32, scores: usize): void {
  for (let t = 0; t < count; t++, k += width) {
    let a = f32x4.splat(0), b = a;
    let j: usize = 0;
    for (; j + 32 <= width; j += 32) {
      a = madd(v128.load(q + j), v128.load(k + j), a);
      b = madd(v128.load(q + j + 16), v128.load(k + j + 16), b);
    }
    if (j < width) a = madd(v128.load(q + j), v128.load(k + j), a);
    store<f32>(scores + (<usize>t << 2), lanesum(f32x4.add(a, b)) * scale);
  }
}

/** Turns `count` scores into e^(s - max), zero-padded to a multiple of four; returns their sum. */
function softmaxNumerators(scores: usize, count: i32): f32 {
  const vectors = (count + 3) >> 2;
  for (let t = count; t < vectors << 2; t++) store<f32>(scores + (<usize>t << 2), -Infinity);
  let most = f32x4.splat(-Infinity);
  const end = scores + (<usize>vectors << 4);
  for (let p = scores; p < end; p += 16) most = f32x4.max(most, v128.load(p));
  const top = f32x4.splat(lanemax(most));
  let sum = f32x4.splat(0);
  for (let p = scores; p < end; p += 16) {
    const e = exp4(f32x4.sub(v128.load(p), top));
    v128.store(p, e);
    sum = f32x4.add(sum, e);
  }
  // exp4 clamps: what was padding holds e^-87, not zero.
  for (let t = count; t < vectors << 2; t++) store<f32>(scores + (<usize>t << 2), 0);
  return lanesum(sum);
}

/** y = Σ p[t] v[t] / sum, sixteen columns at a time, then four. */
function weightedSum(p: usize, v: usize, width: usize, count: i32, scale: f32, y: usize): void {
  const s = f32x4.splat(scale), end = p + (<usize>count << 2);
  let j: usize = 0;
  for (; j + 64 <= width; j += 64) {
    let a = f32x4.splat(0), b = a, c = a, d = a;
    let at = v + j;
    for (let q = p; q < end; q += 4, at += width) {
      const weight = v128.load32_splat(q);
      a = madd(weight, v128.load(at), a);
      b = madd(weight, v128.load(at, 16), b);
      c = madd(weight, v128.load(at, 32), c);
      d = madd(weight, v128.load(at, 48), d);
    }
    v128.store(y + j, f32x4.mul(a, s));
    v128.store(y + j, f32x4.mul(b, s), 16);
    v128.store(y + j, f32x4.mul(c, s), 32);
    v128.store(y + j, f32x4.mul(d, s), 48);
  }
  for (; j < width; j += 16) {
    let a = f32x4.splat(0);
    let at = v + j;
    for (let q = p; q < end; q += 4, at += width) a = madd(v128.load32_splat(q), v128.load(at), a);
    v128.store(y + j, f32x4.mul(a, s));
  }
}

/**
 * Arguments: q, k cache, v cache, y, heads, kv heads, head width, context, window (0 = none), scratch (context f32 a
 * thread), row stride of q and y, scale (f32).
 */
export function attention(i: usize, thread: i32, threads: i32): void {
  const q = <usize>load<i32>(i, 8), kCache = <usize>load<i32>(i, 12), vCache = <usize>load<i32>(i, 16), y = <usize>load<i32>(i, 20);
  const heads = load<i32>(i, 24), kvHeads = load<i32>(i, 28), width = <usize>load<i32>(i, 32) << 2, context = load<i32>(i, 36);
  const window = load<i32>(i, 40), stride = <usize>load<i32>(i, 48), scale = load<f32>(i, 52);
  const scores = <usize>load<i32>(i, 44) + <usize>thread * (((<usize>context + 3) & ~3) << 2);
  const total = rowCount(i) * heads, used = <usize>heads * width;
  for (let at = slice(total, thread, threads), end = slice(total, thread + 1, threads); at < end; at++) {
    const row = at / heads, head = at % heads, last = position() + row;
    const from = window > 0 ? max(0, last - window + 1) : 0, count = last - from + 1;
    const head0 = (<usize>((head * kvHeads) / heads) * <usize>context + <usize>from) * width;
    const offset = <usize>row * stride + <usize>head * width;
    scoreRow(q + offset, kCache + head0, width, count, scale, scores);
    const sum = softmaxNumerators(scores, count);
    weightedSum(scores, vCache + head0, width, count, <f32>1 / sum, y + offset);
    if (head == heads - 1) memory.fill(y + <usize>row * stride + used, 0, stride - used);
    // Heads are whole blocks of 32 columns here: the plan asks for integers only then.
    if (wantsIntegers(i)) {
      const blocks = <i32>(width >> 7);
      alsoQuantize(i, y + <usize>row * stride, row, <i32>(stride >> 2), head * blocks, blocks);
    }
  }
}
