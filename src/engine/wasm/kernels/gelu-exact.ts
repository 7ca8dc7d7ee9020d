/** GELU without its tanh form: x · Φ(x), Φ the normal distribution's function (Hendrycks & Gimpel 2016, arXiv 1606.08415, eq. 1). */
import { rowCount, sliceColumns } from "./control";
import { exp4 } from "./simd";

/** The factor of z in t, then the coefficients of P from the highest: see `upper`. */
const CONSTANTS = memory.data<f32>([
  0.4, 0.1917930698297136, -0.9816411245176669, 1.960641323722976, -1.7648242311664122, 0.5511200001087775,
  -0.1851072150020488, 0.37300509189622577, 0.9969787623672481, -1.835112765917625,
]);

// @ts-ignore: decorator
@inline
function constant(i: usize): v128 {
  return v128.load32_splat(CONSTANTS + (i << 2));
}

/**
 * Φ(-z) for z ≥ 0: t · e^(P(t) - z²/2), t = 1 / (1 + 0.4 z), where P is a fit of degree 8 for z ≤ 14. In f32 the error is below
 * 3e-7, and below 3e-6 of the result for z < 6.
 */
// @ts-ignore: decorator
@inline
function upper(z: v128, half: v128): v128 {
  const one = f32x4.splat(1), t = f32x4.div(one, f32x4.add(one, f32x4.mul(constant(0), z)));
  let p = constant(1);
  for (let i: usize = 2; i < 10; i++) p = f32x4.add(f32x4.mul(p, t), constant(i));
  return f32x4.mul(t, exp4(f32x4.sub(p, half)));
}

/** Φ(v); `half` is v²/2. */
// @ts-ignore: decorator
@inline
function normal(v: v128, half: v128): v128 {
  const q = upper(f32x4.abs(v), half);
  return v128.bitselect(q, f32x4.sub(f32x4.splat(1), q), f32x4.lt(v, f32x4.splat(0)));
}

// @ts-ignore: decorator
@inline
function halfSquare(v: v128): v128 {
  return f32x4.mul(f32x4.splat(0.5), f32x4.mul(v, v));
}

/** Arguments: a, nothing, y, padded width. */
export function geluExact(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) {
      const v = v128.load(a + at);
      v128.store(y + at, f32x4.mul(v, normal(v, halfSquare(v))));
    }
  }
}

/** dy · (Φ(a) + a · φ(a)), φ = Φ'. Arguments: dy, a, y, padded width. */
export function geluExactInput(i: usize, thread: i32, threads: i32): void {
  const dy = <usize>load<i32>(i, 8), a = <usize>load<i32>(i, 12), y = <usize>load<i32>(i, 16), K = load<i32>(i, 20), count = rowCount(i);
  const first = <usize>sliceColumns(K >> 5, thread, threads) << 2, last = <usize>sliceColumns(K >> 5, thread + 1, threads) << 2;
  const root = f32x4.splat(0.3989422804014327);
  for (let m = 0; m < count; m++) {
    const row = <usize>m * (<usize>K << 2);
    for (let at = row + first; at < row + last; at += 16) {
      const v = v128.load(a + at), half = halfSquare(v), density = f32x4.mul(root, exp4(f32x4.neg(half)));
      const slope = f32x4.add(normal(v, half), f32x4.mul(v, density));
      v128.store(y + at, f32x4.mul(v128.load(dy + at), slope));
    }
  }
}
