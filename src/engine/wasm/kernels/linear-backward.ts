/**
 * The gradients of y = W x + b. All sums are chains whose order the shapes decide, whatever the number of threads.
 *
 * dx = dy W is the forward product with Wᵀ for weights. 256 rows by 32 columns of W at a time are unpacked, from whatever type
 * they are kept in, to a panel in the thread's scratch memory: two groups of 16 columns, row after row, which is how the
 * forward kernels want the rows of a matrix. dW = dyᵀ x, 16 of its rows at a time, is written as f32 weights lie.
 */
import { rowCount, sliceColumns } from "./control";
import { F32, tableRow, unpackColumns } from "./embed";
import { TILE, gemm, gemv } from "./linear-float";
import { madd, transpose4 } from "./simd";

/** Terms of a sum that a panel holds; a longer one is continued with the next panel. */
const DEPTH = 256;
/** Columns of x that `linearWeight` packs at once. */
const STRIP = 128;
/** Bytes of 16 columns of a panel. */
const HALF: usize = 16 * DEPTH * 4;

/** 16 numbers. `memory.copy` is a call out of wasm, as long as the 64 multiply-adds that they are copied for. */
// @ts-ignore: decorator
@inline
function copy64(from: usize, to: usize): void {
  const a = v128.load(from), b = v128.load(from, 16), c = v128.load(from, 32), d = v128.load(from, 48);
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
}

/** `rows` rows, whole groups of 16, by 32 columns of f32 weights that begin at `w`, to a panel. */
function turnColumns(w: usize, K: i32, rows: i32, panel: usize): void {
  for (let r = 0; r < rows; r += 16, w += <usize>K << 6, panel += 1024) {
    for (let k: usize = 0; k < 32; k += 4) {
      const from = w + (k << 6), to = panel + (k >> 4) * HALF + ((k & 15) << 2);
      for (let four: usize = 0; four < 4; four++) transpose4(from + (four << 4), 64, to + (four << 8), 64);
    }
  }
}

/**
 * dx = dy W (+ plus). Arguments: dy, w, type, plus, dx, N (padded rows of W), K (padded columns), dy stride, dx stride, panels,
 * bytes of a thread's panel. `plus` lies as dx does.
 */
export function linearInput(i: usize, thread: i32, threads: i32): void {
  const dy = <usize>load<i32>(i, 8), w = <usize>load<i32>(i, 12), type = load<i32>(i, 16), plus = <usize>load<i32>(i, 20);
  const dx = <usize>load<i32>(i, 24), N = load<i32>(i, 28), K = load<i32>(i, 32), rows = rowCount(i);
  const dyStride = <usize>load<i32>(i, 36), dxStride = <usize>load<i32>(i, 40);
  const panel = <usize>load<i32>(i, 44) + <usize>thread * <usize>load<i32>(i, 48), row = panel + (HALF << 1), sums = row + 128;
  const tiled = rows - (rows % TILE);
  for (let k = sliceColumns(K >> 5, thread, threads), last = sliceColumns(K >> 5, thread + 1, threads); k < last; k += 32) {
    let from = plus;
    for (let n = 0; n < N; n += DEPTH) {
      const count = min(DEPTH, N - n);
      if (type == F32) turnColumns(w + ((<usize>n * <usize>K + (<usize>k << 4)) << 2), K, count, panel);
      else {
        for (let r = 0; r < count; r++) {
          unpackColumns(type, w, n + r, K, k, k + 32, row);
          copy64(row, panel + (<usize>r << 6));
          copy64(row + 64, panel + HALF + (<usize>r << 6));
        }
      }
      const x = dy + (<usize>n << 2);
      for (let half: usize = 0; half < 2; half++) {
        const p = panel + half * HALF, y = dx + (<usize>k << 2) + (half << 6), before = from ? from + (<usize>k << 2) + (half << 6) : 0;
        if (tiled > 0) gemm<f32>(x, dyStride, tiled, p, count, y, dxStride, 0, before, sums);
        for (let m = tiled; m < rows; m++) {
          const at = <usize>m * dxStride;
          gemv<f32>(x + <usize>m * dyStride, p, count, y + at, 0, before ? before + at : 0);
        }
      }
      from = dx;
    }
  }
}

/** Adds what stood there, if anything, and stores eight numbers. */
// @ts-ignore: decorator
@inline
function addStore8(y: usize, from: usize, a: v128, b: v128): void {
  if (from) {
    a = f32x4.add(a, v128.load(from));
    b = f32x4.add(b, v128.load(from, 16));
  }
  v128.store(y, a);
  v128.store(y, b, 16);
}

/** Eight rows of dW by four columns: x has four numbers a row, the panel 16. */
function outer4(x: usize, panel: usize, count: i32, y: usize, from: usize): void {
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  for (const end = panel + (<usize>count << 6); panel < end; panel += 64, x += 16) {
    const da = v128.load(panel), db = v128.load(panel, 16);
    let v = v128.load32_splat(x);
    a0 = madd(v, da, a0);
    b0 = madd(v, db, b0);
    v = v128.load32_splat(x, 4);
    a1 = madd(v, da, a1);
    b1 = madd(v, db, b1);
    v = v128.load32_splat(x, 8);
    a2 = madd(v, da, a2);
    b2 = madd(v, db, b2);
    v = v128.load32_splat(x, 12);
    a3 = madd(v, da, a3);
    b3 = madd(v, db, b3);
  }
  addStore8(y, from, a0, b0);
  addStore8(y + 64, from ? from + 64 : 0, a1, b1);
  addStore8(y + 128, from ? from + 128 : 0, a2, b2);
  addStore8(y + 192, from ? from + 192 : 0, a3, b3);
}

/** Columns [k, end) of x, whole blocks of 16, over `count` rows, to tiles of four columns, each row after row. */
function packColumns(x: usize, stride: usize, count: i32, k: i32, end: i32, tile: usize): void {
  const bytes = <usize>count << 4;
  for (x += <usize>k << 2; k < end; k += 16, x += 64, tile += bytes << 2) {
    let from = x, to = tile;
    for (let m = 0; m < count; m++, from += stride, to += 16) {
      const a = v128.load(from), b = v128.load(from, 16), c = v128.load(from, 32), d = v128.load(from, 48);
      v128.store(to, a);
      v128.store(to + bytes, b);
      v128.store(to + (bytes << 1), c);
      v128.store(to + bytes * 3, d);
    }
  }
}

/**
 * dW = dyᵀ x (+ plus). Both operands are packed, rows of a matrix whose width is a power of two meet in few sets of a cache:
 * 256 rows of up to 128 columns of x, and of 16 columns of dy. Arguments: dy, x, plus, dW, groups of 16 rows of W, K (padded columns),
 * dy stride, x stride, panels, bytes of a thread's panel. `plus` lies as dW does.
 */
export function linearWeight(i: usize, thread: i32, threads: i32): void {
  const dy = <usize>load<i32>(i, 8), x = <usize>load<i32>(i, 12), plus = <usize>load<i32>(i, 16), dw = <usize>load<i32>(i, 20);
  const groups = load<i32>(i, 24), K = load<i32>(i, 28), dyStride = <usize>load<i32>(i, 32), xStride = <usize>load<i32>(i, 36);
  const panel = <usize>load<i32>(i, 40) + <usize>thread * <usize>load<i32>(i, 44), tiles = panel + HALF, rows = rowCount(i);
  const first = sliceColumns(groups >> 1, thread, threads) >> 4, last = sliceColumns(groups >> 1, thread + 1, threads) >> 4;
  for (let k = 0; k < K; k += STRIP) {
    const end = min(k + STRIP, K);
    let from = plus;
    for (let m = 0; m < rows; m += DEPTH) {
      const count = min(DEPTH, rows - m), dyM = dy + <usize>m * dyStride;
      packColumns(x + <usize>m * xStride, xStride, count, k, end, tiles);
      for (let g = first; g < last; g++) {
        for (let r = 0; r < count; r++) copy64(dyM + <usize>r * dyStride + (<usize>g << 6), panel + (<usize>r << 6));
        let at = (<usize>g * <usize>K + <usize>k) << 6, tile = tiles;
        for (let four = k; four < end; four += 4, at += 256, tile += <usize>count << 4) {
          outer4(tile, panel, count, dw + at, from ? from + at : 0);
          outer4(tile, panel + 32, count, dw + at + 32, from ? from + at + 32 : 0);
        }
      }
      from = dw;
    }
  }
}

/** The sum of the rows of dy (+ plus), each thread its own columns. Arguments: dy, plus, y, K (padded width), dy stride. */
export function sumRows(i: usize, thread: i32, threads: i32): void {
  const dy = <usize>load<i32>(i, 8), plus = <usize>load<i32>(i, 12), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20);
  const stride = <usize>load<i32>(i, 24), rows = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  for (let k = first; k < last; k += 16) {
    let sum = plus ? v128.load(plus + k) : f32x4.splat(0);
    for (let m = 0; m < rows; m++) sum = f32x4.add(sum, v128.load(dy + <usize>m * stride + k));
    v128.store(y + k, sum);
  }
}

/**
 * The gradient of a table: rows of dy added up where they were taken from (+ plus). Each thread has its own columns.
 * Arguments: dy, plus, y, groups of 16 rows of the table, K (padded width), tokens (i32 each; see `tableRow`), dy stride.
 */
export function embedTable(i: usize, thread: i32, threads: i32): void {
  const dy = <usize>load<i32>(i, 8), plus = <usize>load<i32>(i, 12), y = <usize>load<i32>(i, 16), groups = load<i32>(i, 20);
  const K = load<i32>(i, 24), tokens = <usize>load<i32>(i, 28), stride = <usize>load<i32>(i, 32), rows = rowCount(i);
  const first = sliceColumns(K >> 5, thread, threads), last = sliceColumns(K >> 5, thread + 1, threads);
  if (plus != y) {
    for (let g = 0; g < groups; g++) {
      const at = (<usize>g * <usize>K + <usize>first) << 6, bytes = <usize>(last - first) << 6;
      if (plus) memory.copy(y + at, plus + at, bytes);
      else memory.fill(y + at, 0, bytes);
    }
  }
  for (let m = 0; m < rows; m++) {
    const row = tableRow(tokens, m), from = dy + <usize>m * stride;
    const to = y + ((<usize>(row >> 4) * <usize>K) << 6) + (<usize>(row & 15) << 2);
    for (let k = <usize>first; k < <usize>last; k++) {
      const at = to + (k << 6);
      store<f32>(at, load<f32>(at) + load<f32>(from + (k << 2)));
    }
  }
}
