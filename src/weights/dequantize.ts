/**
 * From the bytes of a stored tensor to f32, for every type that a checkpoint may hold. The 32-wide block formats are
 * here, the 256-wide "k" formats in `k-quants.ts`; the layouts are those of ggml, and the results are bit for bit those
 * of its reference (the `gguf` package for Python).
 *
 * A block keeps an f16 scale `d`, for some types an f16 minimum `m`, and one small integer `q` for each weight:
 *
 *     Q8_0  d·q, q a signed byte                    34 bytes
 *     Q4_0  d·(q − 8)                               18 bytes
 *     Q4_1  d·q + m                                 20 bytes
 *     Q5_0  d·(q − 16), the fifth bits in a u32     22 bytes
 *     Q5_1  d·q + m, the fifth bits in a u32        24 bytes
 *
 * A byte of nibbles holds weight j low and weight j + 16 high. Every product here has at most 23 significant bits (11 of
 * an f16 times those of a small integer), so doubles and floats agree and only the last addition rounds, once, on the store.
 */
import { failure, inputError } from "../errors.ts";
import type { StoredTensor, StoredType } from "./checkpoint.ts";
import { f16Table } from "./half.ts";
import { dequantizeQ4K, dequantizeQ5K, dequantizeQ6K } from "./k-quants.ts";

/** How many weights a block holds and how many bytes it takes. A row is a whole number of blocks. */
export const typeInfo: Readonly<Record<StoredType, { readonly block: number; readonly bytes: number }>> = {
  F32: { block: 1, bytes: 4 },
  F16: { block: 1, bytes: 2 },
  BF16: { block: 1, bytes: 2 },
  Q8_0: { block: 32, bytes: 34 },
  Q4_0: { block: 32, bytes: 18 },
  Q4_1: { block: 32, bytes: 20 },
  Q5_0: { block: 32, bytes: 22 },
  Q5_1: { block: 32, bytes: 24 },
  Q4_K: { block: 256, bytes: 144 },
  Q5_K: { block: 256, bytes: 176 },
  Q6_K: { block: 256, bytes: 210 },
};

/** Bytes of a row of `columns` weights. Throws `tensor-shape` where that is no whole number of blocks; `path` stands in messages. */
export function storedRowBytes(path: string, { storedName, type }: StoredTensor, columns: number): number {
  const { block, bytes } = typeInfo[type];
  if (columns % block === 0) return (columns / block) * bytes;
  throw inputError(
    "tensor-shape",
    `${path}: tensor ${storedName}: rows of ${columns} do not divide into ${type} blocks of ${block}`,
  );
}

/**
 * Widens whole blocks.
 * @param bytes little-endian, at any alignment
 * @param out one value for each weight in `bytes`; a length that does not match is a failure
 */
export function dequantize(type: StoredType, bytes: Uint8Array, out: Float32Array): void {
  const { block, bytes: blockBytes } = typeInfo[type];
  if (out.length % block !== 0 || bytes.length !== (out.length / block) * blockBytes) {
    throw failure(
      "dequantize-length",
      `${bytes.length} bytes of ${type} do not make ${out.length} weights (${blockBytes} bytes make ${block})`,
    );
  }
  decoders[type](bytes, out, f16Table());
}

type Decoder = (bytes: Uint8Array, out: Float32Array, halves: Float32Array) => void;

const decoders: Readonly<Record<StoredType, Decoder>> = {
  F32: copyF32,
  F16: widenF16,
  BF16: widenBF16,
  Q8_0: dequantizeQ80,
  Q4_0: dequantizeQ40,
  Q4_1: dequantizeQ41,
  Q5_0: dequantizeQ50,
  Q5_1: dequantizeQ51,
  Q4_K: dequantizeQ4K,
  Q5_K: dequantizeQ5K,
  Q6_K: dequantizeQ6K,
};

/** Typed arrays are little-endian on every machine that runs JavaScript engines today. */
function copyF32(bytes: Uint8Array, out: Float32Array): void {
  new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
}

function widenF16(bytes: Uint8Array, out: Float32Array, halves: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = halves[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!;
}

function widenBF16(bytes: Uint8Array, out: Float32Array): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < words.length; i++) words[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
}

function dequantizeQ80(bytes: Uint8Array, out: Float32Array, halves: Float32Array): void {
  for (let o = 0, b = 0; o < out.length; o += 32, b += 34) {
    const d = halves[bytes[b]! | (bytes[b + 1]! << 8)]!;
    for (let j = 0; j < 32; j++) out[o + j] = d * ((bytes[b + 2 + j]! << 24) >> 24);
  }
}

function dequantizeQ40(bytes: Uint8Array, out: Float32Array, halves: Float32Array): void {
  for (let o = 0, b = 0; o < out.length; o += 32, b += 18) {
    const d = halves[bytes[b]! | (bytes[b + 1]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const q = bytes[b + 2 + j]!;
      out[o + j] = d * ((q & 15) - 8);
      out[o + 16 + j] = d * ((q >>> 4) - 8);
    }
  }
}

function dequantizeQ41(bytes: Uint8Array, out: Float32Array, halves: Float32Array): void {
  for (let o = 0, b = 0; o < out.length; o += 32, b += 20) {
    const d = halves[bytes[b]! | (bytes[b + 1]! << 8)]!;
    const m = halves[bytes[b + 2]! | (bytes[b + 3]! << 8)]!;
    for (let j = 0; j < 16; j++) {
      const q = bytes[b + 4 + j]!;
      out[o + j] = d * (q & 15) + m;
      out[o + 16 + j] = d * (q >>> 4) + m;
    }
  }
}

function dequantizeQ50(bytes: Uint8Array, out: Float32Array, halves: Float32Array): void {
  for (let o = 0, b = 0; o < out.length; o += 32, b += 22) {
    const d = halves[bytes[b]! | (bytes[b + 1]! << 8)]!;
    const fifth = bytes[b + 2]! | (bytes[b + 3]! << 8) | (bytes[b + 4]! << 16) | (bytes[b + 5]! << 24);
    for (let j = 0; j < 16; j++) {
      const q = bytes[b + 6 + j]!;
      out[o + j] = d * ((q & 15) + (((fifth >>> j) & 1) << 4) - 16);
      out[o + 16 + j] = d * ((q >>> 4) + (((fifth >>> (j + 16)) & 1) << 4) - 16);
    }
  }
}

function dequantizeQ51(bytes: Uint8Array, out: Float32Array, halves: Float32Array): void {
  for (let o = 0, b = 0; o < out.length; o += 32, b += 24) {
    const d = halves[bytes[b]! | (bytes[b + 1]! << 8)]!;
    const m = halves[bytes[b + 2]! | (bytes[b + 3]! << 8)]!;
    const fifth = bytes[b + 4]! | (bytes[b + 5]! << 8) | (bytes[b + 6]! << 16) | (bytes[b + 7]! << 24);
    for (let j = 0; j < 16; j++) {
      const q = bytes[b + 8 + j]!;
      out[o + j] = d * ((q & 15) + (((fifth >>> j) & 1) << 4)) + m;
      out[o + 16 + j] = d * ((q >>> 4) + (((fifth >>> (j + 16)) & 1) << 4)) + m;
    }
  }
}
