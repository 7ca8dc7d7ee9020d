/**
 * From f32 to the two block formats that Refrain computes in, bit for bit as ggml's reference does it (the `gguf`
 * package for Python): what our kernels' packing is tested against, and what writes GGUF files for comparisons.
 * Not here: the better roundings that look at data. Values are taken to be finite.
 *
 * Every step rounds to f32, because the reference computes in f32; but for one in Q4_0.
 */
import { failure } from "../errors.ts";
import type { StoredType } from "./checkpoint.ts";
import { typeInfo } from "./dequantize.ts";
import { f16Bits } from "./half.ts";

const { fround } = Math;

/** Blocks of 32: d = max|x| / 127, q = round(x / d), halves away from zero; `out` takes 34 bytes a block. */
export function quantizeQ8_0(x: Float32Array, out: Uint8Array): void {
  checkLengths("Q8_0", x, out);
  for (let o = 0, b = 0; o < x.length; o += 32, b += 34) {
    let max = 0;
    for (let j = 0; j < 32; j++) max = Math.max(max, Math.abs(x[o + j]!));
    const d = fround(max / 127);
    const inverse = d === 0 ? 0 : fround(1 / d);
    putF16(out, b, d);
    for (let j = 0; j < 32; j++) {
      const scaled = fround(x[o + j]! * inverse);
      out[b + 2 + j] = scaled < 0 ? Math.ceil(scaled - 0.5) : Math.floor(scaled + 0.5);
    }
  }
}

/**
 * Blocks of 32: the entry of largest magnitude becomes −8, so d = that entry / −8 and q = ⌊x / d + 8.5⌋ within 0…15;
 * `out` takes 18 bytes a block.
 */
export function quantizeQ4_0(x: Float32Array, out: Uint8Array): void {
  checkLengths("Q4_0", x, out);
  for (let o = 0, b = 0; o < x.length; o += 32, b += 18) {
    let extreme = x[o]!;
    for (let j = 1; j < 32; j++) if (Math.abs(x[o + j]!) > Math.abs(extreme)) extreme = x[o + j]!;
    const d = fround(extreme / -8);
    const inverse = d === 0 ? 0 : fround(1 / d);
    putF16(out, b, d);
    for (let j = 0; j < 16; j++) {
      out[b + 2 + j] = nibble(x[o + j]! * inverse) | (nibble(x[o + 16 + j]! * inverse) << 4);
    }
  }
}

/** The product is in f64, as in the reference and in our kernels: ggml's own result depends on whether its compiler fuses. */
function nibble(scaled: number): number {
  return Math.min(15, Math.trunc(fround(scaled + 8.5)));
}

function putF16(out: Uint8Array, at: number, value: number): void {
  const bits = f16Bits(value);
  out[at] = bits;
  out[at + 1] = bits >>> 8;
}

function checkLengths(type: StoredType, x: Float32Array, out: Uint8Array): void {
  const { block, bytes } = typeInfo[type];
  if (x.length % block !== 0 || out.length !== (x.length / block) * bytes) {
    throw failure(
      "quantize-length",
      `${x.length} weights do not make ${out.length} bytes of ${type} (${block} make ${bytes} bytes)`,
    );
  }
}
