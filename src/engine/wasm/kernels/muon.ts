/**
 * What Muon does with a matrix (Jordan et al. 2024, kellerjordan.github.io/posts/muon): its momentum, orthogonalized by Newton and
 * Schulz's iteration with odd polynomials of degree five, moves the weights. With U S Vᵀ the momentum over its norm, five times
 *
 *   A = X Xᵀ;   X ← (a I + b A + c A²) X
 *
 * leave U S' Vᵀ with all of S' near 1. X is the momentum row-major, lying down: the longer side is its columns, and what
 * is computed of Mᵀ is that of M transposed. Padding is zero and stays so. Products are those of the forward pass
 * (linear-float.ts): every number is one chain, whatever the number of threads. A and the polynomial are symmetric, so half is computed.
 */
import { slice } from "./control";
import { gemm } from "./linear-float";

/** Where four numbers of W, rows `row` and on of a column, stand in X; `width` is X's row in bytes. */
// @ts-ignore: decorator
@inline
function placeInX(x: usize, width: usize, lies: bool, row: i32, column: i32): usize {
  return lies ? x + <usize>row * width + (<usize>column << 2) : x + <usize>column * width + (<usize>row << 2);
}

/**
 * m += (1 - μ) (clip · g - m);  x = clip · g + μ (m - clip · g), Nesterov's, and g becomes 0. Four numbers at a time: a column of
 * a group of 16 rows. Arguments: g, m, x, groups of 16 rows of W, K (padded columns of W), whether W lies, x's stride, clip, 1 - μ, μ.
 */
export function muonMomentum(i: usize, thread: i32, threads: i32): void {
  const g = <usize>load<i32>(i, 8), m = <usize>load<i32>(i, 12), x = <usize>load<i32>(i, 16), groups = load<i32>(i, 20);
  const K = load<i32>(i, 24), lies = load<i32>(i, 28) != 0, width = <usize>load<i32>(i, 32), clip = v128.load32_splat(i, 36);
  const fresh = v128.load32_splat(i, 40), keep = v128.load32_splat(i, 44), zero = f32x4.splat(0);
  for (let group = slice(groups, thread, threads), end = slice(groups, thread + 1, threads); group < end; group++) {
    for (let k = 0; k < K; k++) {
      for (let r = 0; r < 16; r += 4) {
        const at = (((<usize>group * <usize>K + <usize>k) << 4) + <usize>r) << 2, before = v128.load(m + at);
        const gradient = f32x4.mul(v128.load(g + at), clip);
        const mean = f32x4.add(before, f32x4.mul(fresh, f32x4.sub(gradient, before)));
        const ahead = f32x4.add(gradient, f32x4.mul(keep, f32x4.sub(mean, gradient)));
        v128.store(m + at, mean);
        v128.store(g + at, zero);
        const to = placeInX(x, width, lies, (group << 4) + r, k);
        if (lies) {
          v128.store_lane<f32>(to, ahead, 0);
          v128.store_lane<f32>(to + width, ahead, 1);
          v128.store_lane<f32>(to + 2 * width, ahead, 2);
          v128.store_lane<f32>(to + 3 * width, ahead, 3);
        } else v128.store(to, ahead);
      }
    }
  }
}

/** x over its Euclidean norm, or over `least` where that is more. Arguments: x, count (a multiple of 16), its sums of `squares`, their number, least. */
export function normalize(i: usize, thread: i32, threads: i32): void {
  const x = <usize>load<i32>(i, 8), lines = load<i32>(i, 12) >> 4, sums = <usize>load<i32>(i, 16), chunks = load<i32>(i, 20);
  let sum: f64 = 0;
  for (let chunk = 0; chunk < chunks; chunk++) sum += load<f64>(sums + (<usize>chunk << 3));
  const factor = f32x4.splat(<f32>(1 / max(sqrt(sum), <f64>load<f32>(i, 24)))), end = x + (<usize>slice(lines, thread + 1, threads) << 6);
  for (let at = x + (<usize>slice(lines, thread, threads) << 6); at < end; at += 16) v128.store(at, f32x4.mul(v128.load(at), factor));
}

/** Sixteen rows of `count` columns, to a panel whose rows they are the columns of. */
function transpose16(x: usize, width: usize, count: i32, panel: usize): void {
  for (let r: usize = 0; r < 64; r += 16, x += width << 2) {
    let from = x, to = panel + r;
    for (const end = x + (<usize>count << 2); from < end; from += 16, to += 256) {
      const a = v128.load(from), b = v128.load(from + width), c = v128.load(from + 2 * width), d = v128.load(from + 3 * width);
      const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
      const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
      v128.store(to, v128.shuffle<i64>(ab, cd, 1, 3), 64);
      v128.store(to, v128.shuffle<i64>(AB, CD, 0, 2), 128);
      v128.store(to, v128.shuffle<i64>(AB, CD, 1, 3), 192);
    }
  }
}

/**
 * y = α x xᵀ (+ β x) + δ I, symmetric; β only where x is square. Threads take turns in columns of y, 16 at a time, and compute what is
 * on the diagonal and below. Arguments: x, y, rows n and columns K of x (both padded), α, β, δ, panels, bytes of a thread's panel.
 */
export function gram(i: usize, thread: i32, threads: i32): void {
  const x = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 12), n = load<i32>(i, 16), K = load<i32>(i, 20);
  const alpha = load<f32>(i, 24), beta = load<f32>(i, 28), delta = load<f32>(i, 32), xWidth = <usize>K << 2, yWidth = <usize>n << 2;
  const panel = <usize>load<i32>(i, 36) + <usize>thread * <usize>load<i32>(i, 40), sums = panel + (<usize>K << 6);
  for (let c = thread << 4; c < n; c += threads << 4) {
    const from = x + <usize>c * xWidth, column = y + (<usize>c << 2);
    transpose16(from, xWidth, K, panel);
    gemm<f32>(from, xWidth, n - c, panel, K, column + <usize>c * yWidth, yWidth, 0, 0, sums);
    for (let m = c; m < n; m++) {
      for (let r = 0, last = min(16, m - c + 1); r < last; r++) {
        const at = column + <usize>m * yWidth + (<usize>r << 2);
        let v = alpha * load<f32>(at);
        if (beta != 0) v += beta * load<f32>(x + <usize>m * xWidth + (<usize>(c + r) << 2));
        if (m == c + r) v += delta;
        store<f32>(at, v);
        store<f32>(y + <usize>(c + r) * yWidth + (<usize>m << 2), v);
      }
    }
  }
}

/** x = b x, each thread its own columns, 16 at a time by way of a panel. Arguments: b [n, n], x, rows n and columns K of x, panels, bytes of a thread's panel. */
export function mapColumns(i: usize, thread: i32, threads: i32): void {
  const b = <usize>load<i32>(i, 8), x = <usize>load<i32>(i, 12), n = load<i32>(i, 16), K = load<i32>(i, 20), width = <usize>K << 2;
  const panel = <usize>load<i32>(i, 24) + <usize>thread * <usize>load<i32>(i, 28), sums = panel + (<usize>n << 6);
  for (let g = slice(K >> 4, thread, threads), end = slice(K >> 4, thread + 1, threads); g < end; g++) {
    const column = x + (<usize>g << 6);
    for (let r: usize = 0; r < <usize>n; r++) memory.copy(panel + (r << 6), column + r * width, 64);
    gemm<f32>(b, <usize>n << 2, n, panel, n, column, width, 0, 0, sums);
  }
}

/**
 * w = shrink · w - step · x. Arguments: w, x, groups of 16 rows of W, K (padded columns of W), whether W lies, x's stride, step, shrink.
 */
export function muonStep(i: usize, thread: i32, threads: i32): void {
  const w = <usize>load<i32>(i, 8), x = <usize>load<i32>(i, 12), groups = load<i32>(i, 16), K = load<i32>(i, 20);
  const lies = load<i32>(i, 24) != 0, width = <usize>load<i32>(i, 28), step = v128.load32_splat(i, 32), shrink = v128.load32_splat(i, 36);
  for (let group = slice(groups, thread, threads), end = slice(groups, thread + 1, threads); group < end; group++) {
    for (let k = 0; k < K; k++) {
      for (let r = 0; r < 16; r += 4) {
        const at = w + ((((<usize>group * <usize>K + <usize>k) << 4) + <usize>r) << 2);
        const from = placeInX(x, width, lies, (group << 4) + r, k);
        let move: v128;
        if (lies) {
          move = v128.load32_zero(from);
          move = v128.load_lane<f32>(from + width, move, 1);
          move = v128.load_lane<f32>(from + 2 * width, move, 2);
          move = v128.load_lane<f32>(from + 3 * width, move, 3);
        } else move = v128.load(from);
        v128.store(at, f32x4.sub(f32x4.mul(shrink, v128.load(at)), f32x4.mul(step, move)));
      }
    }
  }
}
