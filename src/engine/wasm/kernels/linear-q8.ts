/**
 * y = W x (+ bias) (+ residual) for weights in q8: signed bytes with one f16 scale per block of 32 (GGUF's Q8_0).
 *
 * Activations come as 8-bit magnitudes and signs (`quantize.ts`): the 8-bit dot product wants one operand of at most 127, so
 * the sign goes to the weight. With a mask s of the column's sign (all ones where negative), s ^ w is w or -w - 1, and
 * Σ |x| · (s ^ w) lacks the sum of the negative columns' magnitudes: that is where the sums start. All of it is exact.
 *
 * Layout of a group of 16 rows: block after block; a block holds for g = 0…7 and for each four rows 16 bytes: byte 4r + j
 * has column 4g + j of row r (512 bytes); then 16 scales: 544 bytes.
 */
import { addProducts, ones, scaled, scaledHalf4 } from "./dot";
import { store16 } from "./linear-float";
import { HEADER, SCALE, START } from "./quantize";
import { halfMask } from "./simd";

/** Bytes of 16 rows by 32 columns. */
export const Q8_BLOCK: usize = 544;

/** One activation row, 16 weight rows. */
export function gemvQ8(x: usize, w: usize, K: i32, y: usize, bias: usize, residual: usize): void {
  const one = ones(), half = halfMask();
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let signs = x + <usize>K, header = signs + <usize>K;
  for (const xEnd = signs; x < xEnd; header += HEADER) {
    let p = v128.load32_splat(header, START), q = p, r = p, s = p;
    for (const end = w + 512; w < end; w += 64, x += 4, signs += 4) {
      const v = v128.load32_splat(x), sign = v128.load32_splat(signs);
      p = addProducts(p, v128.xor(v128.load(w), sign), v, one);
      q = addProducts(q, v128.xor(v128.load(w, 16), sign), v, one);
      r = addProducts(r, v128.xor(v128.load(w, 32), sign), v, one);
      s = addProducts(s, v128.xor(v128.load(w, 48), sign), v, one);
    }
    const xScale = v128.load32_splat(header, SCALE);
    a = scaled(a, p, scaledHalf4(w, 0, half), xScale);
    b = scaled(b, q, scaledHalf4(w, 8, half), xScale);
    c = scaled(c, r, scaledHalf4(w, 16, half), xScale);
    d = scaled(d, s, scaledHalf4(w, 24, half), xScale);
    w += Q8_BLOCK - 512;
  }
  store16(y, a, b, c, d, bias, residual);
}

/** A group as a panel: the same bytes, scales as f32. See `linear-integer.ts`. */
export function unpackQ8(w: usize, K: i32, panel: usize): void {
  const half = halfMask();
  for (let block = K >> 5; block > 0; block--) {
    memory.copy(panel, w, 512);
    w += 512;
    panel += 512;
    for (const end = panel + 64; panel < end; panel += 16, w += 8) v128.store(panel, scaledHalf4(w, 0, half));
  }
}
