/**
 * The "k" block formats of ggml: 256 weights, whose sub-blocks have scales (and minima) that are themselves small
 * integers under one f16. See `dequantize.ts` for the contract and for why no intermediate needs rounding.
 *
 *     Q4_K, Q5_K  8 sub-blocks of 32:  (d·scale)·q − (dmin·minimum), scale and minimum of 6 bits
 *                 bytes: d 2, dmin 2, scales 12, [fifth bits 32,] nibbles 128
 *     Q6_K        16 sub-blocks of 16: (d·scale)·(q − 32), scale a signed byte
 *                 bytes: low nibbles 128, high pairs 64, scales 16, d 2
 */

/** The twelve bytes at `b` pack eight scales, then eight minima: six bits each, the upper two of numbers 4–7 set apart. */
function unpackScales(bytes: Uint8Array, b: number, scales: Uint8Array): void {
  for (let i = 0; i < 4; i++) {
    const scale = bytes[b + i]!;
    const minimum = bytes[b + 4 + i]!;
    const low = bytes[b + 8 + i]!;
    scales[i] = scale & 63;
    scales[4 + i] = (low & 15) | ((scale >>> 2) & 48);
    scales[8 + i] = minimum & 63;
    scales[12 + i] = (low >>> 4) | ((minimum >>> 2) & 48);
  }
}

const scales = new Uint8Array(16);

export function dequantizeQ4K(bytes: Uint8Array, out: Float32Array, halves: Float32Array): void {
  for (let o = 0, b = 0; o < out.length; o += 256, b += 144) {
    const d = halves[bytes[b]! | (bytes[b + 1]! << 8)]!;
    const dmin = halves[bytes[b + 2]! | (bytes[b + 3]! << 8)]!;
    unpackScales(bytes, b + 4, scales);
    for (let pair = 0; pair < 4; pair++) {
      const d0 = d * scales[2 * pair]!;
      const d1 = d * scales[2 * pair + 1]!;
      const m0 = dmin * scales[8 + 2 * pair]!;
      const m1 = dmin * scales[9 + 2 * pair]!;
      const nibbles = b + 16 + 32 * pair;
      const to = o + 64 * pair;
      for (let j = 0; j < 32; j++) {
        const q = bytes[nibbles + j]!;
        out[to + j] = d0 * (q & 15) - m0;
        out[to + 32 + j] = d1 * (q >>> 4) - m1;
      }
    }
  }
}

export function dequantizeQ5K(bytes: Uint8Array, out: Float32Array, halves: Float32Array): void {
  for (let o = 0, b = 0; o < out.length; o += 256, b += 176) {
    const d = halves[bytes[b]! | (bytes[b + 1]! << 8)]!;
    const dmin = halves[bytes[b + 2]! | (bytes[b + 3]! << 8)]!;
    unpackScales(bytes, b + 4, scales);
    for (let pair = 0; pair < 4; pair++) {
      const d0 = d * scales[2 * pair]!;
      const d1 = d * scales[2 * pair + 1]!;
      const m0 = dmin * scales[8 + 2 * pair]!;
      const m1 = dmin * scales[9 + 2 * pair]!;
      const nibbles = b + 48 + 32 * pair;
      const to = o + 64 * pair;
      for (let j = 0; j < 32; j++) {
        const q = bytes[nibbles + j]!;
        const fifth = bytes[b + 16 + j]! >>> (2 * pair);
        out[to + j] = d0 * ((q & 15) | ((fifth & 1) << 4)) - m0;
        out[to + 32 + j] = d1 * ((q >>> 4) | ((fifth & 2) << 3)) - m1;
      }
    }
  }
}

export function dequantizeQ6K(bytes: Uint8Array, out: Float32Array, halves: Float32Array): void {
  for (let o = 0, b = 0; o < out.length; o += 256, b += 210) {
    const d = halves[bytes[b + 208]! | (bytes[b + 209]! << 8)]!;
    for (let half = 0; half < 2; half++) {
      const low = b + 64 * half;
      const high = b + 128 + 32 * half;
      const to = o + 128 * half;
      for (let j = 0; j < 32; j++) {
        const scale = b + 192 + 8 * half + (j >>> 4);
        const upper = bytes[high + j]!;
        const q0 = bytes[low + j]!;
        const q1 = bytes[low + 32 + j]!;
        out[to + j] = d * signed(bytes[scale]!) * (((q0 & 15) | ((upper & 3) << 4)) - 32);
        out[to + 32 + j] = d * signed(bytes[scale + 2]!) * (((q1 & 15) | ((upper & 12) << 2)) - 32);
        out[to + 64 + j] = d * signed(bytes[scale + 4]!) * (((q0 >>> 4) | (upper & 48)) - 32);
        out[to + 96 + j] = d * signed(bytes[scale + 6]!) * (((q1 >>> 4) | ((upper & 192) >>> 2)) - 32);
      }
    }
  }
}

function signed(byte: number): number {
  return (byte << 24) >> 24;
}
