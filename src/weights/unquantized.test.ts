import fc from "fast-check";
import { expect, it } from "vitest";
import type { Checkpoint, StoredTensor } from "./checkpoint.ts";
import { dequantize } from "./dequantize.ts";
import { encodeF16 } from "./half.ts";
import { unquantized } from "./unquantized.ts";

/** Two tensors of [rows, 32]: one of Q8_0 blocks, one of F32. */
function checkpointOf(rows: number, quantized: Uint8Array, plain: Uint8Array): Checkpoint {
  const tensor = (name: string, type: "Q8_0" | "F32", byteLength: number): StoredTensor => ({
    name,
    storedName: name,
    type,
    shape: [rows, 32],
    byteLength,
  });
  const stored = { q: quantized, x: plain };
  const readInto = async ({ name }: StoredTensor, begin: number, target: Uint8Array) =>
    target.set(stored[name as "q" | "x"].subarray(begin, begin + target.length));
  return {
    format: "gguf",
    path: "memory",
    config: {},
    tensors: new Map([
      ["q", tensor("q", "Q8_0", quantized.length)],
      ["x", tensor("x", "F32", plain.length)],
    ]),
    vocabulary: async () => undefined,
    readInto,
    read: async (tensor, begin, end) => {
      const target = new Uint8Array(end - begin);
      await readInto(tensor, begin, target);
      return target;
    },
    close: async () => {},
  };
}

it("has F16 where the source is quantized, of the same values, and all else as it is", async () => {
  const rows = fc.integer({ min: 1, max: 5 });
  await fc.assert(
    fc.asyncProperty(rows, fc.infiniteStream(fc.integer({ min: 0, max: 255 })), async (rows, stream) => {
      const bytes = (count: number) => Uint8Array.from({ length: count }, () => stream.next().value!);
      const [quantized, plain] = [bytes(34 * rows), bytes(128 * rows)];
      // Scales from 1 to 2.
      for (let row = 0; row < rows; row++) quantized[34 * row + 1] = 0x3c;
      const made = unquantized(checkpointOf(rows, quantized, plain));
      const [q, x] = [made.tensors.get("q")!, made.tensors.get("x")!];
      expect([q.type, q.byteLength, x.type]).toEqual(["F16", 64 * rows, "F32"]);
      const values = new Float32Array(32 * rows);
      dequantize("Q8_0", quantized, values);
      const rounded = new Uint8Array(64 * rows);
      encodeF16(values, rounded);
      expect([...(await made.read(q, 0, q.byteLength))]).toEqual([...rounded]);
      expect([...(await made.read(x, 0, x.byteLength))]).toEqual([...plain]);
    }),
  );
});
