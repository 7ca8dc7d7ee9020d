import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import type { StoredType } from "./checkpoint.ts";
import { dequantize, typeInfo } from "./dequantize.ts";
import { bf16Bits, encodeBF16, encodeF16, f16Bits, f16Table } from "./half.ts";
import { quantizeQ4_0, quantizeQ8_0 } from "./quantize.ts";

/** What the `gguf` package for Python makes of the same bytes and floats; see test/fixtures/make-quants.py. */
const reference = JSON.parse(readFileSync(fixturePath("quants.json"), "utf8")) as {
  dequantize: Record<StoredType, { bytes: string; values: string }>;
  quantize: { values: string; Q8_0: string; Q4_0: string };
  narrow: { values: string; F16: string; BF16: string };
};

const bytesOf = (base64: string) => Uint8Array.from(Buffer.from(base64, "base64"));
const floatsOf = (base64: string) => new Float32Array(bytesOf(base64).buffer);
/** Bit patterns, so that 0 and −0 differ. */
const bitsOf = (values: Float32Array) => [...new Uint32Array(values.buffer, values.byteOffset, values.length)];

describe("dequantize", () => {
  const types = Object.keys(typeInfo) as StoredType[];

  it.each(types)("%s: bit for bit what the reference makes of it", (type) => {
    const { bytes, values } = reference.dequantize[type];
    const expected = floatsOf(values);
    const out = new Float32Array(expected.length);
    dequantize(type, bytesOf(bytes), out);
    expect(bitsOf(out)).toEqual(bitsOf(expected));
  });

  it.each(types)("%s: at an odd address, into the middle of an array", (type) => {
    const { bytes, values } = reference.dequantize[type];
    const expected = floatsOf(values);
    const shifted = new Uint8Array(1 + bytesOf(bytes).length);
    shifted.set(bytesOf(bytes), 1);
    const out = new Float32Array(3 + expected.length).subarray(3);
    dequantize(type, shifted.subarray(1), out);
    expect(bitsOf(out)).toEqual(bitsOf(expected));
  });

  it("refuses bytes that do not make the weights asked for", () => {
    const lengths: [number, number][] = [
      [33, 32],
      [34, 31],
      [34, 64],
      [0, 32],
    ];
    for (const [bytes, weights] of lengths) {
      expect(() => dequantize("Q8_0", new Uint8Array(bytes), new Float32Array(weights))).toThrowError(
        expect.objectContaining({ code: "dequantize-length" }),
      );
    }
  });
});

describe("quantize", () => {
  const values = floatsOf(reference.quantize.values);

  it.each([
    ["Q8_0", quantizeQ8_0],
    ["Q4_0", quantizeQ4_0],
  ] as const)("%s: byte for byte what the reference makes of it", (type, quantize) => {
    const expected = bytesOf(reference.quantize[type]);
    const out = new Uint8Array(expected.length);
    quantize(values, out);
    expect([...out]).toEqual([...expected]);
  });

  it.each([quantizeQ8_0, quantizeQ4_0])("refuses lengths that do not fit", (quantize) => {
    expect(() => quantize(new Float32Array(33), new Uint8Array(36))).toThrowError(
      expect.objectContaining({ code: "quantize-length" }),
    );
  });
});

describe("16-bit floats", () => {
  const values = floatsOf(reference.narrow.values);

  it.each([
    ["F16", encodeF16],
    ["BF16", encodeBF16],
  ] as const)("%s: rounds as the reference does", (type, encode) => {
    const out = new Uint8Array(2 * values.length);
    encode(values, out);
    expect([...out]).toEqual([...bytesOf(reference.narrow[type])]);
  });

  it("every f16 widens to a float that narrows to it", () => {
    const table = f16Table();
    const wrong: number[] = [];
    for (let bits = 0; bits < 65_536; bits++) {
      if (!Number.isNaN(table[bits]) && f16Bits(table[bits]!) !== bits) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it("NaN stays NaN", () => {
    expect(f16Table()[f16Bits(Number.NaN)]).toBeNaN();
    expect(bf16Bits(Number.NaN) & 0x7fff).toBeGreaterThan(0x7f80);
  });
});
