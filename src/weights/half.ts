/**
 * The two 16-bit float formats that weights are stored in: IEEE 754 binary16 (f16) and the upper half of a binary32
 * (bf16). Widening is exact; narrowing rounds to nearest, ties to even, as every other reader and writer of these files
 * does. Not here: block formats, which are in `dequantize.ts` and `quantize.ts`.
 */

let widened: Float32Array | undefined;

/** The value of each of the 65,536 f16 bit patterns; built on first use (256 KiB). */
export function f16Table(): Float32Array {
  if (widened) return widened;
  widened = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits++) {
    const exponent = (bits >>> 10) & 31;
    const mantissa = bits & 1023;
    let value: number;
    if (exponent === 0) value = mantissa * 2 ** -24;
    else if (exponent === 31) value = mantissa === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
    else value = (1024 + mantissa) * 2 ** (exponent - 25);
    widened[bits] = bits & 0x8000 ? -value : value;
  }
  return widened;
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** The f16 bit pattern nearest to `x` (taken as an f32). Above 65,504 it is an infinity; NaN stays NaN. */
export function f16Bits(x: number): number {
  float[0] = x;
  const bits = word[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 65,536 and above
  if (magnitude < 0x38800000) {
    // Below 2^-14 an f16 counts in steps of 2^-24, and so does an f32 between 0.5 and 1: let the adder round.
    float[0] = Math.abs(x) + 0.5;
    return sign | (word[0]! - 0x3f000000);
  }
  // Rounding may carry into the exponent, and from the last one into infinity; both are what the format asks for.
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** The bf16 bit pattern nearest to `x` (taken as an f32). NaN stays NaN. */
export function bf16Bits(x: number): number {
  float[0] = x;
  const bits = word[0]!;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 64;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Writes `x` as little-endian f16; `out` holds 2 bytes a value. */
export function encodeF16(x: Float32Array, out: Uint8Array): void {
  for (let i = 0; i < x.length; i++) {
    const bits = f16Bits(x[i]!);
    out[2 * i] = bits;
    out[2 * i + 1] = bits >>> 8;
  }
}

/** Writes `x` as little-endian bf16; `out` holds 2 bytes a value. */
export function encodeBF16(x: Float32Array, out: Uint8Array): void {
  for (let i = 0; i < x.length; i++) {
    const bits = bf16Bits(x[i]!);
    out[2 * i] = bits;
    out[2 * i + 1] = bits >>> 8;
  }
}
