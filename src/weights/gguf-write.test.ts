import { describe, expect, it } from "vitest";
import { bytesSource } from "./byte-source.ts";
import { ggufBytes } from "./gguf.testing.ts";
import { readGgufHeader } from "./gguf-header.ts";
import { type GgufEntry, type TensorToWrite, writeGguf } from "./gguf-write.ts";
import { TextList } from "./text-list.ts";

/** A tensor of bytes that count up, in chunks of `chunk`. */
function counting(name: string, shape: number[], length: number, chunk: number): TensorToWrite {
  async function* data() {
    for (let begin = 0; begin < length; begin += chunk) {
      yield Uint8Array.from({ length: Math.min(chunk, length - begin) }, (_, index) => begin + index);
    }
  }
  return { name, type: "Q8_0", shape, data: data() };
}

describe("writeGguf", () => {
  it("is read back, every type of value and the bytes of tensors", async () => {
    const metadata = {
      text: ["string", "naïve 🦙"],
      yes: ["bool", true],
      u8: ["u8", 255],
      i8: ["i8", -128],
      u16: ["u16", 65_535],
      i16: ["i16", -32_768],
      u32: ["u32", 4_294_967_295],
      i32: ["i32", -2_147_483_648],
      u64: ["u64", 2n ** 64n - 1n],
      i64: ["i64", -(2n ** 63n)],
      f32: ["f32", 0.5],
      f64: ["f64", 0.1],
      texts: ["array", "string", ["", "é"]],
      numbers: ["array", "i16", [-1, 2]],
      floats: ["array", "f32", Float32Array.of(0.5, -1)],
      "general.alignment": ["u32", 64],
    } satisfies Record<string, GgufEntry>;
    const tensors = [counting("one", [3, 32], 102, 7), counting("two", [32], 34, 100)];
    const bytes = await ggufBytes(metadata, tensors);
    const header = await readGgufHeader(bytesSource("written.gguf", bytes));
    expect(header.version).toBe(3);
    expect(Object.fromEntries(header.metadata)).toEqual({
      ...Object.fromEntries(Object.entries(metadata).map(([key, entry]) => [key, entry[1]])),
      texts: TextList.of(["", "é"]),
      numbers: Int16Array.of(-1, 2),
      floats: Float32Array.of(0.5, -1),
    });
    expect(header.tensors.map(({ name, shape, byteLength }) => [name, shape, byteLength])).toEqual([
      ["one", [3, 32], 102],
      ["two", [32], 34],
    ]);
    for (const { begin, byteLength } of header.tensors) {
      expect(begin % 64).toBe(0);
      expect([...bytes.subarray(begin, begin + byteLength)]).toEqual(Array.from({ length: byteLength }, (_, i) => i));
    }
    expect(bytes.length % 64).toBe(0);
  });

  it.each([
    ["too few bytes", counting("t", [2, 32], 67, 7), /"t" was given 67 bytes; Q8_0 \[2, 32\] has 68/],
    ["too many bytes", counting("t", [2, 32], 69, 7), /was given 69 bytes/],
    ["rows that are no whole blocks", counting("t", [1, 33], 34, 34), /no whole blocks of Q8_0/],
  ])("fails on %s", async (_what, tensor, message) => {
    const write = async () => {
      for await (const _ of writeGguf(new Map(), [tensor]));
    };
    await expect(write).rejects.toThrow(message);
  });
});
