/**
 * C = A B of float64 matrices, row-major: for solving, where float32 does not do. Threads take strips of four columns of B, each made
 * compact first. Every number is one chain in the order of the inner index, whatever the number of threads; fused where the build has
 * relaxed SIMD.
 *
 * Arguments: A, B, C, rows, inner, columns, panels, bytes of a thread's panel: (inner + 4) · 32.
 */
import { slice } from "./control";

// @ts-ignore: decorator
@inline
function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f64x2.relaxed_madd(a, b, c);
  return f64x2.add(f64x2.mul(a, b), c);
}

/** Four rows of A, `width` bytes apart, times a strip; [4, 4] to `out`. */
function fourRows(a: usize, width: usize, strip: usize, inner: i32, out: usize): void {
  const b = a + width, c = b + width, d = c + width;
  let a0 = f64x2.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
  for (let k: usize = 0, end = <usize>inner << 3; k < end; k += 8, strip += 32) {
    const left = v128.load(strip), right = v128.load(strip, 16);
    let x = v128.load64_splat(a + k);
    a0 = madd(x, left, a0);
    a1 = madd(x, right, a1);
    x = v128.load64_splat(b + k);
    b0 = madd(x, left, b0);
    b1 = madd(x, right, b1);
    x = v128.load64_splat(c + k);
    c0 = madd(x, left, c0);
    c1 = madd(x, right, c1);
    x = v128.load64_splat(d + k);
    d0 = madd(x, left, d0);
    d1 = madd(x, right, d1);
  }
  v128.store(out, a0);
  v128.store(out, a1, 16);
  v128.store(out, b0, 32);
  v128.store(out, b1, 48);
  v128.store(out, c0, 64);
  v128.store(out, c1, 80);
  v128.store(out, d0, 96);
  v128.store(out, d1, 112);
}

/** One row of A; [4] to `out`. */
function oneRow(a: usize, strip: usize, inner: i32, out: usize): void {
  let a0 = f64x2.splat(0), a1 = a0;
  for (const end = a + (<usize>inner << 3); a < end; a += 8, strip += 32) {
    const x = v128.load64_splat(a);
    a0 = madd(x, v128.load(strip), a0);
    a1 = madd(x, v128.load(strip, 16), a1);
  }
  v128.store(out, a0);
  v128.store(out, a1, 16);
}

export function matrixProduct(i: usize, thread: i32, threads: i32): void {
  const a = <usize>load<i32>(i, 8), b = <usize>load<i32>(i, 12), c = <usize>load<i32>(i, 16);
  const rows = load<i32>(i, 20), inner = load<i32>(i, 24), columns = load<i32>(i, 28);
  const strip = <usize>load<i32>(i, 32) + <usize>thread * <usize>load<i32>(i, 36), out = strip + (<usize>inner << 5);
  const width = <usize>inner << 3, stride = <usize>columns << 3, strips = (columns + 3) >> 2;
  for (let s = slice(strips, thread, threads), end = slice(strips, thread + 1, threads); s < end; s++) {
    const left = <usize>s << 5, bytes = min<usize>(32, stride - left);
    for (let k: usize = 0; k < <usize>inner; k++) memory.copy(strip + (k << 5), b + k * stride + left, bytes);
    let m: i32 = 0, to = c + left, from = a;
    for (; m + 4 <= rows; m += 4, from += width << 2) {
      fourRows(from, width, strip, inner, out);
      for (let r: usize = 0; r < 128; r += 32, to += stride) memory.copy(to, out + r, bytes);
    }
    for (; m < rows; m++, from += width, to += stride) {
      oneRow(from, strip, inner, out);
      memory.copy(to, out, bytes);
    }
  }
}
