/**
 * Blocks of a GGUF file (Q8_0, Q4_0, Q4_1) into the layouts that the products read, their values untouched. Rows are lifted into a
 * scratch area, a few at a time, heads in their order, and packed from there.
 */
import { Q4_1_BLOCK, Q4_BLOCK } from "./linear-q4";
import { Q8_BLOCK } from "./linear-q8";
import { transpose4 } from "./simd";

/**
 * Copies `rows` rows into `scratch`, and zeros behind them up to a multiple of 16. Where `head` is not 0, rows of heads of that
 * width go from x0 y0 x1 y1 … to x0 x1 … y0 y1 ….
 */
export function liftRows(src: usize, rows: i32, rowBytes: usize, head: i32, scratch: usize): void {
  memory.fill(scratch + <usize>rows * rowBytes, 0, <usize>(-rows & 15) * rowBytes);
  if (head == 0) {
    memory.copy(scratch, src, <usize>rows * rowBytes);
    return;
  }
  for (let r = 0; r < rows; r++, src += rowBytes) {
    const i = r % head;
    const to = r - i + (i >> 1) + (i & 1) * (head >> 1);
    memory.copy(scratch + <usize>to * rowBytes, src, rowBytes);
  }
}

/** 16 rows of Q8_0: an f16 scale and 32 bytes a block. Four columns of a row stay together. */
export function repackQ8_0(src: usize, columns: i32, dst: usize): void {
  const stride = (<usize>columns >> 5) * 34;
  for (const end = src + stride; src < end; src += 34, dst += Q8_BLOCK) {
    for (let r: usize = 0; r < 16; r += 4) {
      transpose4(src + 2 + r * stride, stride, dst + (r << 2), 64);
      transpose4(src + 18 + r * stride, stride, dst + 256 + (r << 2), 64);
    }
    for (let r: usize = 0; r < 16; r++) store<u16>(dst + 512 + (r << 1), load<u16>(src + r * stride));
  }
}

/** 16 rows of Q4_0: an f16 scale and 16 bytes a block. A block and our layout pair column k with k + 16 alike: bytes move whole. */
export function repackQ4_0(src: usize, columns: i32, dst: usize): void {
  const stride = (<usize>columns >> 5) * 18;
  for (const end = src + stride; src < end; src += 18, dst += Q4_BLOCK) {
    for (let r: usize = 0; r < 16; r += 4) transpose4(src + 2 + r * stride, stride, dst + (r << 2), 64);
    for (let r: usize = 0; r < 16; r++) store<u16>(dst + 256 + (r << 1), load<u16>(src + r * stride));
  }
}

/** 16 rows of Q4_1: an f16 scale, an f16 minimum and 16 bytes a block. */
export function repackQ4_1(src: usize, columns: i32, dst: usize): void {
  const stride = (<usize>columns >> 5) * 20;
  for (const end = src + stride; src < end; src += 20, dst += Q4_1_BLOCK) {
    for (let r: usize = 0; r < 16; r += 4) transpose4(src + 4 + r * stride, stride, dst + (r << 2), 64);
    for (let r: usize = 0; r < 16; r++) {
      const both = load<u32>(src + r * stride);
      store<u16>(dst + 256 + (r << 1), <u16>both);
      store<u16>(dst + 288 + (r << 1), <u16>(both >> 16));
    }
  }
}
