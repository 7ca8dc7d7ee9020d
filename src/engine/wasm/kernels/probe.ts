/**
 * Reads memory and does nothing with it, to measure how fast that can be (measure/device). Every thread reads a slice of its own, 128
 * bits at a time, the slice that a matrix of the same bytes would give it.
 *
 * Arguments: address, bytes (a multiple of 128), passes, where to store what came out (16 bytes a thread).
 */
import { slice } from "./control";

/** With no passes, an instruction that costs nothing but itself. */
export function read(i: usize, thread: i32, threads: i32): void {
  const base = <usize>load<i32>(i, 8), lines = load<i32>(i, 12) >> 7, passes = load<i32>(i, 16);
  const begin = base + (<usize>slice(lines, thread, threads) << 7), end = base + (<usize>slice(lines, thread + 1, threads) << 7);
  // Four sums, so that no load waits for another; they are stored, or the optimizer would drop the loads.
  let a = i64x2.splat(0), b = a, c = a, d = a;
  for (let pass = 0; pass < passes; pass++) {
    for (let at = begin; at < end; at += 128) {
      a = v128.xor(a, v128.xor(v128.load(at), v128.load(at, 64)));
      b = v128.xor(b, v128.xor(v128.load(at, 16), v128.load(at, 80)));
      c = v128.xor(c, v128.xor(v128.load(at, 32), v128.load(at, 96)));
      d = v128.xor(d, v128.xor(v128.load(at, 48), v128.load(at, 112)));
    }
  }
  if (passes > 0) v128.store(<usize>load<i32>(i, 20) + (<usize>thread << 4), v128.xor(v128.xor(a, b), v128.xor(c, d)));
}
