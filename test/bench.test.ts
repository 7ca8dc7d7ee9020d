/** What the benchmarks compute before anything is timed: that the ONNX file has the GGUF's weights, and the verdicts. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dequantize } from "../src/weights/dequantize.ts";
import { quantizeQ4_0, quantizeQ8_0 } from "../src/weights/quantize.ts";

const bench = (name: string) => import(pathToFileURL(resolve(import.meta.dirname, "../bench", name)).href);
const { quantized } = await bench("onnx/weights.mjs");
const { judge } = await bench("targets.mjs");

/** A checkpoint with the one matrix "w", as far as the bench reads it. */
function checkpointOf(type: string, bytes: Uint8Array, shape: readonly number[], interleavedHeads?: number) {
  const tensor = { name: "w", type, shape, byteLength: bytes.length, interleavedHeads };
  const read = (_: unknown, begin: number, end: number) => Promise.resolve(bytes.subarray(begin, end));
  return { path: "test", tensors: new Map([["w", tensor]]), read };
}

interface Quantized {
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly blocks: number;
  readonly values: Uint8Array;
  readonly scales: Float32Array;
}

/** What MatMulNBits multiplies with, after its documentation: (q − zero point) · scale, low nibbles first. */
function widen({ rows, columns, bits, blocks, values, scales }: Quantized): Float32Array {
  const out = new Float32Array(rows * columns);
  for (let i = 0; i < out.length; i++) {
    const q = bits === 8 ? values[i]! - 128 : ((values[i >> 1]! >> (4 * (i & 1))) & 15) - 8;
    out[i] = q * scales[Math.floor(i / columns) * blocks + Math.floor((i % columns) / 32)]!;
  }
  return out;
}

const formats = [
  { type: "Q4_0", bytes: 18, quantize: quantizeQ4_0 },
  { type: "Q8_0", bytes: 34, quantize: quantizeQ8_0 },
] as const;

describe.each(formats)("$type for ONNX Runtime", ({ type, bytes, quantize }) => {
  const matrix = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })).chain(([quarter, blocks]) => {
    const shape = [4 * quarter, 32 * blocks] as const;
    const value = fc.float({ min: -4, max: 4, noNaN: true });
    return fc.tuple(
      fc.constant(shape),
      fc.array(value, { minLength: shape[0] * shape[1], maxLength: shape[0] * shape[1] }),
    );
  });

  it("keeps every value, and puts interleaved halves of heads one after the other", async () => {
    await fc.assert(
      fc.asyncProperty(matrix, fc.boolean(), async ([[rows, columns], list], interleaved) => {
        const stored = new Uint8Array((list.length / 32) * bytes);
        quantize(Float32Array.from(list), stored);
        const expected = new Float32Array(list.length);
        dequantize(type, stored, expected);
        const heads = interleaved ? rows / 4 : undefined;
        const got = widen(await quantized(checkpointOf(type, stored, [rows, columns], heads), "w"));
        for (let r = 0; r < rows; r++) {
          // Heads of four rows, stored as x0 y0 x1 y1.
          const source = interleaved ? r - (r % 4) + [0, 2, 1, 3][r % 4]! : r;
          const row = (values: Float32Array, at: number) => [...values.subarray(at * columns, (at + 1) * columns)];
          expect(row(got, r).map((x) => x + 0)).toEqual(row(expected, source).map((x) => x + 0));
        }
      }),
    );
  });

  it("refuses other types", async () => {
    const checkpoint = checkpointOf("Q4_1", new Uint8Array(20), [1, 32]);
    await expect(quantized(checkpoint, "w")).rejects.toThrow("w is Q4_1; only Q4_0 and Q8_0");
  });
});

describe("targets", () => {
  const row = (name: string, peerName: string, ratio: number) => ({ name, peerName, ratio });

  it("counts the peer's better number of threads", () => {
    const rows = [
      row("decode q4 0-29", "node-llama-cpp 3.22.1", 2.4),
      row("decode q4 0-29", "node-llama-cpp 3.22.1, 1 thread", 1.9),
    ];
    expect(judge(rows)).toEqual([["decode q4, 30 blocks", "node-llama-cpp 3.22.1", "2.00", "1.90", "missed"]]);
  });

  it("judges what is printed, and nothing that was not measured", () => {
    expect(judge([row("decode q8 each(0-29)x2", "refrain, 0-29", 0.666)]).map((line: string[]) => line[4])).toEqual([
      "met",
    ]);
    expect(judge([])).toEqual([]);
  });
});
