/**
 * y = W x (+ bias) (+ residual) for weights in q4: nibbles with one f16 scale per block of 32, the nibble 8 being zero
 * (GGUF's Q4_0), or with one f16 minimum per block beside it (Q4_1).
 *
 * Activations come as signed bytes with one scale per block (`quantize.ts`). A nibble fits the 7-bit operand of the relaxed
 * 8-bit dot product, so sums over a block are exact; the offset of the nibbles is where they start: -8 · (sum of the
 * block's activations), the same for every row. The scaling is unfused. So every build gives the same bits.
 *
 * Layout of a group of 16 rows: block after block; a block holds for g = 0…3 and for each four rows 16 bytes: byte
 * 4r + j has column 4g + j of row r in its low nibble and column 16 + 4g + j in its high one (256 bytes); then 16 scales
 * and, for Q4_1, 16 minima: 288 or 320 bytes.
 */
import { addNibbleProducts, nibbleMask, ones, scaled, scaledHalf4, widen } from "./dot";
import { store16 } from "./linear-float";
import { HEADER, SCALE, START, SUM } from "./quantize";
import { halfMask } from "./simd";

/** Bytes of 16 rows by 32 columns, without and with minima. */
export const Q4_BLOCK: usize = 288;
export const Q4_1_BLOCK: usize = 320;

/** What `scaled` adds for the minima: minimum · (activation scale · sum of the block's activations). */
// @ts-ignore: decorator
@inline
function withMinimum<Minima>(sum: v128, minimum: v128, xSum: v128): v128 {
  return sizeof<Minima>() == 1 ? sum : f32x4.add(sum, f32x4.mul(minimum, xSum));
}

// @ts-ignore: decorator
@inline
function loadMinimum<Minima>(p: usize, offset: usize, mask: v128): v128 {
  return sizeof<Minima>() == 1 ? i32x4.splat(0) : scaledHalf4(p, offset, mask);
}

// @ts-ignore: decorator
@inline
function addBlock(sum: v128, x0: v128, x1: v128, nibbles: v128, mask: v128): v128 {
  const low = v128.and(nibbles, mask), high = v128.and(i16x8.shr_u(nibbles, 4), mask);
  return addNibbleProducts(addNibbleProducts(sum, x0, low), x1, high);
}

/** One activation row, 16 weight rows. `i8` stands for "no minima", `i16` for "with minima". */
export function gemvQ4<Minima>(x: usize, w: usize, K: i32, y: usize, bias: usize, residual: usize): void {
  const mask = nibbleMask(), one = ones(), half = halfMask();
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let header = x + <usize>K;
  for (const xEnd = header; x < xEnd; x += 32, header += HEADER) {
    let p = sizeof<Minima>() == 1 ? v128.load32_splat(header, START) : i32x4.splat(0), q = p, r = p, s = p;
    for (let g: usize = 0; g < 16; g += 4) {
      const x0 = v128.load32_splat(x + g), x1 = v128.load32_splat(x + g, 16), at = w + (g << 4);
      p = addBlock(p, x0, x1, v128.load(at), mask);
      q = addBlock(q, x0, x1, v128.load(at, 16), mask);
      r = addBlock(r, x0, x1, v128.load(at, 32), mask);
      s = addBlock(s, x0, x1, v128.load(at, 48), mask);
    }
    const xScale = v128.load32_splat(header, SCALE), xSum = v128.load32_splat(header, SUM);
    a = withMinimum<Minima>(scaled(a, widen(p, one), scaledHalf4(w, 256, half), xScale), loadMinimum<Minima>(w, 288, half), xSum);
    b = withMinimum<Minima>(scaled(b, widen(q, one), scaledHalf4(w, 264, half), xScale), loadMinimum<Minima>(w, 296, half), xSum);
    c = withMinimum<Minima>(scaled(c, widen(r, one), scaledHalf4(w, 272, half), xScale), loadMinimum<Minima>(w, 304, half), xSum);
    d = withMinimum<Minima>(scaled(d, widen(s, one), scaledHalf4(w, 280, half), xScale), loadMinimum<Minima>(w, 312, half), xSum);
    w += sizeof<Minima>() == 1 ? Q4_BLOCK : Q4_1_BLOCK;
  }
  store16(y, a, b, c, d, bias, residual);
}

/** A group as a panel: bytes instead of nibbles, scales as f32. See `linear-integer.ts` for the layout. */
export function unpackQ4<Minima>(w: usize, K: i32, panel: usize): void {
  const mask = nibbleMask(), half = halfMask();
  for (let block = K >> 5; block > 0; block--) {
    for (const end = panel + 256; panel < end; panel += 16, w += 16) {
      const nibbles = v128.load(w);
      v128.store(panel, v128.and(nibbles, mask));
      v128.store(panel, v128.and(i16x8.shr_u(nibbles, 4), mask), 256);
    }
    panel += 256;
    // The scales, and the minima behind them.
    for (const end = panel + (sizeof<Minima>() << 6); panel < end; panel += 16, w += 8) {
      v128.store(panel, scaledHalf4(w, 0, half));
    }
  }
}
