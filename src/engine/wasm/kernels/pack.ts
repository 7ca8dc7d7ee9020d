/**
 * Rows of a file into the layouts that the products read, 16 rows at a time. `src` holds up to 16 rows one after another;
 * rows beyond `rows` and columns beyond `columns` become zero. The Q8_0, Q4_0 and Q4_1 blocks of a GGUF file are moved
 * as they are; floats are rounded as ggml rounds them.
 */
import { Q4_1_BLOCK, Q4_BLOCK } from "./linear-q4";
import { Q8_BLOCK } from "./linear-q8";
import { floatToHalf } from "./simd";

/** 16 rows of `columns` f32 → f32 layout, K padded columns. */
export function packF32(src: usize, rows: i32, columns: i32, dst: usize, K: i32): void {
  for (let k = 0; k < K; k++) {
    for (let r = 0; r < 16; r++) {
      const value: f32 = r < rows && k < columns ? load<f32>(src + ((<usize>r * <usize>columns + <usize>k) << 2)) : 0;
      store<f32>(dst + (((<usize>k << 4) + <usize>r) << 2), value);
    }
  }
}

export function packF16(src: usize, rows: i32, columns: i32, dst: usize, K: i32): void {
  for (let k = 0; k < K; k++) {
    for (let r = 0; r < 16; r++) {
      const value: f32 = r < rows && k < columns ? load<f32>(src + ((<usize>r * <usize>columns + <usize>k) << 2)) : 0;
      store<u16>(dst + (((<usize>k << 4) + <usize>r) << 1), <u16>floatToHalf(value));
    }
  }
}

// @ts-ignore: decorator
@inline
function at(src: usize, r: usize, rows: i32, columns: i32, k: usize): f32 {
  return <i32>r < rows && <i32>k < columns ? load<f32>(src + ((r * <usize>columns + k) << 2)) : 0;
}

/** Rounds half away from zero, as C's roundf does. */
// @ts-ignore: decorator
@inline
function roundAway(x: f32): i32 {
  const magnitude = abs<f32>(x), whole = floor<f32>(magnitude);
  const rounded = <i32>(whole + floor<f32>(<f32>2 * (magnitude - whole)));
  return x < 0 ? -rounded : rounded;
}

/** q8: scale = max|x| / 127. */
export function packQ8(src: usize, rows: i32, columns: i32, dst: usize, K: i32): void {
  for (let b: usize = 0; b < <usize>K >> 5; b++, dst += Q8_BLOCK) {
    for (let r: usize = 0; r < 16; r++) {
      let most: f32 = 0;
      for (let k: usize = 0; k < 32; k++) most = max(most, abs(at(src, r, rows, columns, (b << 5) + k)));
      const scale = most / 127, inverse: f32 = scale != 0 ? 1 / scale : 0;
      store<u16>(dst + 512 + (r << 1), <u16>floatToHalf(scale));
      for (let k: usize = 0; k < 32; k++) {
        store<i8>(dst + ((k >> 2) << 6) + (r << 2) + (k & 3), <i8>roundAway(at(src, r, rows, columns, (b << 5) + k) * inverse));
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function storeNibble(dst: usize, r: usize, k: usize, n: u32): void {
  const p = dst + (((k & 15) >> 2) << 6) + (r << 2) + (k & 3);
  store<u8>(p, k < 16 ? (load<u8>(p) & 0xf0) | n : (load<u8>(p) & 0x0f) | (n << 4));
}

/** q4: the value of largest magnitude becomes the nibble 0, that is -8 steps. */
export function packQ4(src: usize, rows: i32, columns: i32, dst: usize, K: i32): void {
  for (let b: usize = 0; b < <usize>K >> 5; b++, dst += Q4_BLOCK) {
    for (let r: usize = 0; r < 16; r++) {
      let most: f32 = 0, signed: f32 = 0;
      for (let k: usize = 0; k < 32; k++) {
        const value = at(src, r, rows, columns, (b << 5) + k);
        if (abs(value) > most) {
          most = abs(value);
          signed = value;
        }
      }
      const scale = signed / -8, inverse: f32 = scale != 0 ? 1 / scale : 0;
      store<u16>(dst + 256 + (r << 1), <u16>floatToHalf(scale));
      for (let k: usize = 0; k < 32; k++) {
        // The product in f64: ggml's own result depends on whether the compiler fuses, this is what its reference states.
        const n = <i32>(<f32>(<f64>at(src, r, rows, columns, (b << 5) + k) * <f64>inverse + 8.5));
        storeNibble(dst, r, k, <u32>min(15, max(0, n)));
      }
    }
  }
}

/** Q8_0 blocks (f16 scale, 32 bytes) as a GGUF file has them. */
export function repackQ8_0(src: usize, rows: i32, columns: i32, dst: usize, K: i32): void {
  const blocks = <usize>columns >> 5;
  for (let b: usize = 0; b < <usize>K >> 5; b++, dst += Q8_BLOCK) {
    for (let r: usize = 0; r < 16; r++) {
      const present = <i32>r < rows && b < blocks, from = src + (r * blocks + b) * 34;
      store<u16>(dst + 512 + (r << 1), present ? load<u16>(from) : 0);
      for (let k: usize = 0; k < 32; k++) {
        store<i8>(dst + ((k >> 2) << 6) + (r << 2) + (k & 3), present ? load<i8>(from + 2 + k) : 0);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function repackNibbles<Minima>(src: usize, rows: i32, columns: i32, dst: usize, K: i32): void {
  const blocks = <usize>columns >> 5, header: usize = sizeof<Minima>() == 1 ? 2 : 4;
  for (let b: usize = 0; b < <usize>K >> 5; b++, dst += sizeof<Minima>() == 1 ? Q4_BLOCK : Q4_1_BLOCK) {
    for (let r: usize = 0; r < 16; r++) {
      const present = <i32>r < rows && b < blocks, from = src + (r * blocks + b) * (header + 16);
      store<u16>(dst + 256 + (r << 1), present ? load<u16>(from) : 0);
      if (sizeof<Minima>() == 2) store<u16>(dst + 288 + (r << 1), present ? load<u16>(from + 2) : 0);
      // A GGUF block and ours pair column k with k + 16 in the same way: bytes move whole.
      for (let k: usize = 0; k < 16; k += 4) {
        const empty: u32 = sizeof<Minima>() == 1 ? 0x88888888 : 0;
        store<u32>(dst + (k << 4) + (r << 2), present ? load<u32>(from + header + k) : empty);
      }
    }
  }
}

export function repackQ4_0(src: usize, rows: i32, columns: i32, dst: usize, K: i32): void {
  repackNibbles<i8>(src, rows, columns, dst, K);
}

export function repackQ4_1(src: usize, rows: i32, columns: i32, dst: usize, K: i32): void {
  repackNibbles<i16>(src, rows, columns, dst, K);
}

/** First element of `count` f32 that is not finite, or -1: a NaN weight would silence a model without a word. */
export function firstNonFinite(src: usize, count: i32): i32 {
  for (let k = 0; k < count; k++) {
    const value = load<f32>(src + (<usize>k << 2));
    if (!(abs(value) <= f32.MAX_VALUE)) return k;
  }
  return -1;
}

/** Largest magnitude of `count` f32: f16 ends at 65,504. */
export function maxMagnitude(src: usize, count: i32): f32 {
  let most: f32 = 0;
  for (let k = 0; k < count; k++) most = max(most, abs(load<f32>(src + (<usize>k << 2))));
  return most;
}
