/**
 * Rotary position embedding (Su et al. 2021, arXiv 2104.09864, eq. 34), halves of a head one after the other:
 * (a, b) → (a cos - b sin, b cos + a sin), angle = position · frequency. Tables are made at load time, so that every
 * scaling of frequencies is a matter of the table.
 *
 * Arguments: x, y, heads, head width, cos table, sin table (each [context, head width / 2] f32), stride (padded row, bytes).
 */
import { positionOf, rowCount, slice } from "./control";

export function rope(i: usize, thread: i32, threads: i32): void {
  const x = <usize>load<i32>(i, 8), y = <usize>load<i32>(i, 12), heads = load<i32>(i, 16), width = load<i32>(i, 20);
  const cosines = <usize>load<i32>(i, 24), sines = <usize>load<i32>(i, 28), stride = <usize>load<i32>(i, 32);
  const half = <usize>width << 1, total = rowCount(i) * heads, used = <usize>(heads * width) << 2;
  for (let at = slice(total, thread, threads), end = slice(total, thread + 1, threads); at < end; at++) {
    const row = at / heads, head = at % heads;
    const offset = <usize>row * stride + ((<usize>(head * width)) << 2), table = <usize>positionOf(row) * half;
    turn(x + offset, y + offset, half, cosines + table, sines + table);
    if (head == heads - 1) memory.fill(y + <usize>row * stride + used, 0, stride - used);
  }
}

/** One head: `half` is half its width in bytes; the tables point at its position. */
export function turn(x: usize, y: usize, half: usize, cosines: usize, sines: usize): void {
  let k: usize = 0;
  for (; k + 16 <= half; k += 16) {
    const a = v128.load(x + k), b = v128.load(x + half + k), c = v128.load(cosines + k), s = v128.load(sines + k);
    v128.store(y + k, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
    v128.store(y + half + k, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
  }
  for (; k < half; k += 4) {
    const a = load<f32>(x + k), b = load<f32>(x + half + k), c = load<f32>(cosines + k), s = load<f32>(sines + k);
    store<f32>(y + k, a * c - b * s);
    store<f32>(y + half + k, b * c + a * s);
  }
}
