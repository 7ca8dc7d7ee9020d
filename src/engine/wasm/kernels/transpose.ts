/** Small transpositions, for the packers: rows that lie `stride` bytes apart become columns that lie `step` bytes apart. */

/** 4 rows of four 32-bit numbers. */
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

/** 8 rows of eight 16-bit numbers. */
export function transpose8(src: usize, stride: usize, dst: usize, step: usize): void {
  for (let half: usize = 0; half < 2; half++, src += 4 * stride, dst += 8) {
    const a = v128.load(src), b = v128.load(src + stride), c = v128.load(src + 2 * stride), d = v128.load(src + 3 * stride);
    const ab = v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11), cd = v128.shuffle<i16>(c, d, 0, 8, 1, 9, 2, 10, 3, 11);
    const ef = v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15), gh = v128.shuffle<i16>(c, d, 4, 12, 5, 13, 6, 14, 7, 15);
    store2(v128.shuffle<i32>(ab, cd, 0, 4, 1, 5), dst, step);
    store2(v128.shuffle<i32>(ab, cd, 2, 6, 3, 7), dst + 2 * step, step);
    store2(v128.shuffle<i32>(ef, gh, 0, 4, 1, 5), dst + 4 * step, step);
    store2(v128.shuffle<i32>(ef, gh, 2, 6, 3, 7), dst + 6 * step, step);
  }
}

// @ts-ignore: decorator
@inline
function store2(pair: v128, dst: usize, step: usize): void {
  v128.store64_lane(dst, pair, 0);
  v128.store64_lane(dst + step, pair, 1);
}
