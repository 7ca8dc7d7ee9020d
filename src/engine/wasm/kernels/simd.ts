/** Small vector functions that several kernels share; all are inlined. */

/**
 * Constants of the loops below, in memory: V8 makes a constant vector anew at every use, three instructions each, also in
 * loops; a load is one, or none where it can stay in a register.
 */
const CONSTANTS = memory.data<f32>([
  12582912, 12583039, 88, -87, -127, 1.4426950408889634, 0.693359375, -2.1219444e-4, 1.98756915e-4, 1.3981999507e-3,
  8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.50000001201, 1, 1.5353361959569156e-4, 1.3398875016719103e-3,
  9.61843691766262e-3, 5.5503323674201965e-2, 0.24022647738456726, 0.6931471824645996, 5.192296858534828e33,
]);
/** What is kept of the bits of a half that was moved to where a float has them; and of a float without its sign. */
const MASKS = memory.data<u32>([0x8fffffff, 0x7fffffff]);
/** 1.5 · 2^23: added to a small number and taken away again, it leaves the nearest integer, half to even. */
const MAGIC = 0;
/**
 * 1.5 · 2^23 + 127: what is left in the lowest bits is the nearest integer plus f32's bias, where a shift makes an exponent
 * of it. Half the instructions of `nearest` and a saturating conversion, and the same result.
 */
const ROUND = 1;
const MOST = 2, LEAST = 3, LEAST2 = 4, LOG2E = 5, LN2_HIGH = 6, LN2_LOW = 7;
/** Cephes' coefficients of e^r, then 1/2 and 1; those of 2^r. */
const EXP = 8, ONE = 14, EXP2 = 15;
/** 2^112. */
const HALF_SCALE = 21;

// @ts-ignore: decorator
@inline
function constant(i: usize): v128 {
  return v128.load32_splat(CONSTANTS + (i << 2));
}

// @ts-ignore: decorator
@inline
export function lanesum(v: v128): f32 {
  return (
    (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

// @ts-ignore: decorator
@inline
export function lanemax(v: v128): f32 {
  return max(
    max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/** a·b + c, fused where the build has relaxed SIMD. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** 4 rows of four 32-bit numbers, `stride` bytes apart, become columns `step` bytes apart. */
// @ts-ignore: decorator
@inline
export function transpose4(src: usize, stride: usize, dst: usize, step: usize): void {
  const a = v128.load(src), b = v128.load(src + stride), c = v128.load(src + 2 * stride), d = v128.load(src + 3 * stride);
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ef = v128.shuffle<i32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(dst + step, v128.shuffle<i64>(ab, cd, 1, 3));
  v128.store(dst + 2 * step, v128.shuffle<i64>(ef, gh, 0, 2));
  v128.store(dst + 3 * step, v128.shuffle<i64>(ef, gh, 1, 3));
}

/** What is kept of the bits of four halves after they have moved to where a float has them. */
// @ts-ignore: decorator
@inline
export function halfMask(): v128 {
  return v128.load32_splat(MASKS);
}

/**
 * Four f16 at `p` as f32, exact for every finite value: the bits of the half are moved to where a float has them, which
 * leaves the exponent 112 too small; one multiplication mends that, for subnormals too.
 */
// @ts-ignore: decorator
@inline
export function loadHalf4(p: usize, offset: usize = 0): v128 {
  const bits = v128.load16x4_s(p + offset);
  return f32x4.mul(v128.and(i32x4.shl(bits, 13), halfMask()), constant(HALF_SCALE));
}

/** One f16 as f32, exact for every finite value. */
// @ts-ignore: decorator
@inline
export function halfToFloat(bits: u32): f32 {
  return reinterpret<f32>(((bits & 0x7fff) << 13) | ((bits & 0x8000) << 16)) * reinterpret<f32>(0x77800000);
}

/** f32 to f16, round to nearest even; overflow becomes infinity. Needed at load time only. */
export function floatToHalf(value: f32): u32 {
  const bits = reinterpret<u32>(value);
  const sign = (bits >> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  if (magnitude < 0x38800000) {
    // Subnormal half: adding 0.5 ulp-aligned magic lets the adder do the rounding.
    const shifted = reinterpret<u32>(reinterpret<f32>(magnitude) + <f32>0.5);
    return sign | (shifted - 0x3f000000);
  }
  const rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  const half = (rounded - 0x38000000) >> 13;
  return sign | (half > 0x7c00 ? 0x7c00 : half);
}

/** e^x to about 1 ulp of f32 for -87 ≤ x ≤ 88, clamped outside: 2^n times a polynomial on |r| ≤ ln2/2 (Cephes' coefficients). */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  x = f32x4.pmax(f32x4.pmin(x, constant(MOST)), constant(LEAST));
  const round = constant(ROUND), rounded = f32x4.add(f32x4.mul(x, constant(LOG2E)), round), n = f32x4.sub(rounded, round);
  let r = f32x4.sub(x, f32x4.mul(n, constant(LN2_HIGH)));
  r = f32x4.sub(r, f32x4.mul(n, constant(LN2_LOW)));
  let p = constant(EXP);
  p = f32x4.add(f32x4.mul(p, r), constant(EXP + 1));
  p = f32x4.add(f32x4.mul(p, r), constant(EXP + 2));
  p = f32x4.add(f32x4.mul(p, r), constant(EXP + 3));
  p = f32x4.add(f32x4.mul(p, r), constant(EXP + 4));
  p = f32x4.add(f32x4.mul(p, r), constant(EXP + 5));
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r), constant(ONE));
  return f32x4.mul(p, i32x4.shl(rounded, 23));
}

/**
 * 2^x to about 1 ulp for x ≤ 0; exactly 1 at 0, and exactly 0 below -126.5. The polynomial on |r| ≤ 1/2 is a minimax fit of
 * relative error 1.6e-8 with p(0) = 1; fused where the build has relaxed SIMD.
 */
// @ts-ignore: decorator
@inline
export function exp2(x: v128): v128 {
  x = f32x4.pmax(x, constant(LEAST2));
  const round = constant(ROUND), rounded = f32x4.add(x, round), r = f32x4.sub(x, f32x4.sub(rounded, round));
  let p = madd(r, constant(EXP2), constant(EXP2 + 1));
  p = madd(p, r, constant(EXP2 + 2));
  p = madd(p, r, constant(EXP2 + 3));
  p = madd(p, r, constant(EXP2 + 4));
  p = madd(p, r, constant(EXP2 + 5));
  p = madd(p, r, constant(ONE));
  return f32x4.mul(p, i32x4.shl(rounded, 23));
}

/**
 * Largest magnitude of `count` floats, a multiple of eight; NaN where there is one. Without their signs, floats are ordered as
 * their bits are, NaN above all: an integer maximum is one instruction, `f32x4.max` seven.
 */
// @ts-ignore: decorator
@inline
export function maxAbs(x: usize, count: i32): f32 {
  const magnitude = v128.load32_splat(MASKS, 4);
  let a = v128.and(v128.load(x), magnitude), b = v128.and(v128.load(x, 16), magnitude);
  const end = x + (<usize>count << 2);
  for (x += 32; x < end; x += 32) {
    a = i32x4.max_s(a, v128.and(v128.load(x), magnitude));
    b = i32x4.max_s(b, v128.and(v128.load(x, 16), magnitude));
  }
  a = i32x4.max_s(a, b);
  a = i32x4.max_s(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  return reinterpret<f32>(max(i32x4.extract_lane(a, 0), i32x4.extract_lane(a, 1)));
}

/** Four floats times `scale`, |x · scale| < 2^22, rounded to the nearest integers. */
// @ts-ignore: decorator
@inline
export function integers4(x: v128, scale: v128): v128 {
  const magic = constant(MAGIC);
  return i32x4.sub(f32x4.add(f32x4.mul(x, scale), magic), magic);
}

// @ts-ignore: decorator
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}
