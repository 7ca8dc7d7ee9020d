/**
 * Products of small integers, summed in the way that is cheapest where this build runs.
 *
 * Builds with `DOT` (a constant that scripts/build-kernels.mjs sets: 1 or 0) use the 32-bit relaxed dot product, which is one instruction where the engine emits the processor's own
 * (vpdpbusd, sdot) and five or six elsewhere. Other builds sum pairs of products in 16 bits, one instruction on x64, and widen
 * later. Every sum is exact, so all builds give the same bits.
 *
 * The masks stand in memory, and kernels load them before their loops: see `simd.ts`.
 */

const BYTES_15 = memory.data<u8>([15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15], 16);
const SHORTS_1 = memory.data<u16>([1, 1, 1, 1, 1, 1, 1, 1], 16);

/** Sixteen times 15: the low nibbles. */
// @ts-ignore: decorator
@inline
export function nibbleMask(): v128 {
  return v128.load(BYTES_15);
}

/** Eight times 1, for `widen`. */
// @ts-ignore: decorator
@inline
export function ones(): v128 {
  return v128.load(SHORTS_1);
}

/**
 * Four f16 at `p` as f32 times 2^-112: the bits of a half, moved to where a float has them, leave the exponent 112 too
 * small. The scales of activations carry the 2^112 that is missing (`ACTIVATION_SCALE`), which spares a multiplication.
 */
// @ts-ignore: decorator
@inline
export function scaledHalf4(p: usize, offset: usize, mask: v128): v128 {
  return v128.and(i32x4.shl(v128.load16x4_s(p + offset), 13), mask);
}

/** 2^112. */
export const ACTIVATION_SCALE: f32 = reinterpret<f32>(0x77800000);

/** Pairs of products of signed bytes and bytes of at most 127, added: eight 16-bit lanes, exact (2 · 128 · 127 < 2^15). */
// @ts-ignore: decorator
@inline
function pairs(signed: v128, small: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.relaxed_dot_i8x16_i7x16_s(signed, small);
  const even = i16x8.mul(i16x8.shr_s(i16x8.shl(signed, 8), 8), v128.and(small, i16x8.splat(0xff)));
  return i16x8.add(even, i16x8.mul(i16x8.shr_s(signed, 8), i16x8.shr_u(small, 8)));
}

/** Adds four products to each 32-bit lane of `sum`. */
// @ts-ignore: decorator
@inline
export function addProducts(sum: v128, signed: v128, small: v128, one: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) if (DOT) return i32x4.relaxed_dot_i8x16_i7x16_add_s(signed, small, sum);
  return i32x4.add(sum, i32x4.dot_i16x8_s(pairs(signed, small), one));
}

/**
 * The same for products of at most 15 · 127, at most eight times on one sum: lanes of 16 bits (8 · 2 · 15 · 127 = 30,480),
 * or of 32 in DOT builds. `widen` gives the four sums.
 */
// @ts-ignore: decorator
@inline
export function addNibbleProducts(sum: v128, signed: v128, nibbles: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) if (DOT) return i32x4.relaxed_dot_i8x16_i7x16_add_s(signed, nibbles, sum);
  return i16x8.add(sum, pairs(signed, nibbles));
}

// @ts-ignore: decorator
@inline
export function widen(sum: v128, one: v128): v128 {
  return DOT ? sum : i32x4.dot_i16x8_s(sum, one);
}

/** What a sum of `addNibbleProducts` starts from, so that `widen` gives `value` plus the products; `value` is a multiple of 2. */
// @ts-ignore: decorator
@inline
export function startOfSum(value: i32): i32 {
  return DOT ? value : ((value >> 1) & 0xffff) | ((value >> 1) << 16);
}

/** sum + products · (scale · activation scale), unfused: the same bits on every build. */
// @ts-ignore: decorator
@inline
export function scaled(sum: v128, products: v128, scale: v128, xScale: v128): v128 {
  return f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(products), f32x4.mul(scale, xScale)));
}
