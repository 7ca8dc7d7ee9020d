import { readdirSync } from "node:fs";
import { GGMLQuantizationType, gguf } from "@huggingface/gguf";
import { describe, expect, it } from "vitest";
import { dataPath } from "../../test/data.ts";
import { fixturePath } from "../../test/fixtures.ts";
import { bytesSource } from "./byte-source.ts";
import { aligned, ggufBytes, join, pair, start, tensorEntry, text, u32, u64, zeros } from "./gguf.testing.ts";
import { type GgufHeader, readGgufHeader } from "./gguf-header.ts";
import { openFile } from "./node-file.ts";
import { TextList } from "./text-list.ts";

const read = (...parts: Uint8Array[]) => readGgufHeader(bytesSource("model.gguf", join(...parts)));

async function readFile(path: string): Promise<GgufHeader> {
  const file = await openFile(path);
  try {
    return await readGgufHeader(file);
  } finally {
    await file.close();
  }
}

describe("a file by the gguf package for Python", () => {
  it("has its metadata, of every type", async () => {
    const { version, metadata } = await readFile(fixturePath("gguf/values.gguf"));
    expect(version).toBe(3);
    expect(Object.fromEntries(metadata)).toEqual({
      "general.architecture": "llama",
      "general.alignment": 64,
      "a.u8": 255,
      "a.i8": -128,
      "a.u16": 65_535,
      "a.i16": -32_768,
      "a.u32": 2 ** 32 - 1,
      "a.i32": -(2 ** 31),
      "a.f32": Math.fround(0.1),
      "a.u64": 2n ** 64n - 1n,
      "a.u64.small": 2 ** 53 - 1,
      "a.i64": -(2n ** 63n),
      "a.f64": 0.1,
      "a.bool": true,
      "a.text": "naïve \ufeff 🦙",
      "a.integers": Int32Array.of(1, -2, 3),
      "a.floats": Float32Array.of(0.5, -0.25),
      "a.booleans": Uint8Array.of(1, 0),
      "a.texts": TextList.of(["", "\ufeff", "blé", "🦙"]),
    });
  });

  it("has its tensors, outermost dimension first, at its own alignment", async () => {
    const { tensors } = await readFile(fixturePath("gguf/values.gguf"));
    const begin = tensors[0]!.begin;
    expect(begin % 64).toBe(0);
    expect(tensors).toEqual([
      { name: "one", type: "F32", shape: [2, 3], begin, byteLength: 24 },
      { name: "two", type: "F16", shape: [5], begin: begin + 64, byteLength: 10 },
    ]);
  });
});

describe("agrees with @huggingface/gguf", () => {
  it.each(readdirSync(fixturePath("gguf")))("%s", (name) => agree(fixturePath(`gguf/${name}`)));

  const vocabularies = ["bert-bge", "gpt-2", "llama-spm"].map(
    (name) => `tokenizers/ggml-vocab/ggml-vocab-${name}.gguf`,
  );
  const missing = vocabularies.some((name) => dataPath(name) === undefined);
  it.skipIf(missing).each(vocabularies)("%s (needs the shared test data)", (name) => agree(dataPath(name)!));

  async function agree(path: string): Promise<void> {
    const ours = await readFile(path);
    const theirs = await gguf(path, { allowLocalFile: true });
    const { version, tensor_count, kv_count, ...metadata } = theirs.metadata as Record<string, unknown>;
    expect([ours.version, ours.tensors.length, ours.metadata.size]).toEqual([
      version,
      Number(tensor_count),
      Number(kv_count),
    ]);
    for (const [key, value] of ours.metadata) expect(plain(value), key).toEqual(plain(metadata[key]));
    const places = theirs.tensorInfos.map(({ name, dtype, shape, offset }) => ({
      name,
      type: GGMLQuantizationType[dtype],
      shape: shape.map(Number).reverse(),
      begin: Number(theirs.tensorDataOffset + offset),
    }));
    expect(ours.tensors.map(({ byteLength, ...tensor }) => tensor)).toEqual(places);
  }

  /** They have plain arrays, bigints for all integers of 64 bits, and lose a byte order mark that begins a text. */
  function plain(value: unknown): unknown {
    if (typeof value === "string") return value.replace(/^\ufeff/, "");
    if (value instanceof TextList) return value.toArray().map(plain);
    if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array);
    if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
    if (typeof value === "boolean") return Number(value);
    if (Array.isArray(value)) return value.map(plain);
    return value;
  }
});

describe("a header longer than the reader's window", () => {
  it("is read to the end", async () => {
    const tokens = Array.from({ length: 60_000 }, (_, index) => `token ${index}`);
    const scores = Float32Array.from(tokens, (_, index) => -index);
    const long = "é".repeat(400_000);
    const bytes = await ggufBytes(
      { tokens: ["array", "string", tokens], scores: ["array", "f32", scores], long: ["string", long] },
      [zeros("one", 3, 5), zeros("two", 7)],
    );
    const { metadata, tensors } = await read(bytes);
    expect((metadata.get("tokens") as TextList).toArray()).toEqual(tokens);
    expect(metadata.get("scores")).toEqual(scores);
    expect(metadata.get("long") === long).toBe(true);
    expect(tensors.map(({ name, byteLength }) => [name, byteLength])).toEqual([
      ["one", 60],
      ["two", 28],
    ]);
    expect(tensors[1]!.begin + 32).toBe(bytes.length);
  });
});

describe("refuses", () => {
  /** An array as a key's value: element type, claimed count, then whatever follows. */
  const array = (type: number, count: number | bigint, ...rest: Uint8Array[]) =>
    join(start(0, 1), text("list"), u32(9), u32(type), u64(count), ...rest);
  const tensor = (...parts: Parameters<typeof tensorEntry>) => aligned(start(1, 0), tensorEntry(...parts));

  const cases: [what: string, code: string, message: RegExp, ...parts: Uint8Array[]][] = [
    ["an empty file", "gguf-truncated", /the start of the header at byte 0 .* ends at byte 0/],
    ["another format", "gguf-magic", /not a GGUF file/, text("PK")],
    ["a Git LFS pointer", "git-lfs-pointer", /Git LFS/, text("version https://git-lfs.github.com/spec/v1").subarray(8)],
    ["a big-endian file", "gguf-big-endian", /big-endian/, start(0, 0).fill(0, 4, 8).fill(3, 7, 8)],
    ["version 1", "gguf-version", /version 1 /, start(0, 0).fill(1, 4, 5)],
    ["missing counts", "gguf-truncated", /ends at byte 12/, start(0, 0).subarray(0, 12)],
    ["2^60 keys", "gguf-limit", /keys/, start(0, 2n ** 60n)],
    ["2^64 − 1 tensors", "gguf-limit", /tensors/, start(2n ** 64n - 1n, 0)],
    ["60,000 keys in no bytes", "gguf-truncated", /60000 keys/, start(0, 60_000), new Uint8Array(100)],
    ["a key of 2^40 bytes", "gguf-limit", /key 0 at byte 24.*1099511627776 bytes/, start(0, 1), u64(2n ** 40n), u64(0)],
    ["a key beyond the end", "gguf-truncated", /key 0 at byte 32 takes 99 bytes/, start(0, 1), u64(99), u64(0)],
    ["a key that is not UTF-8", "gguf-name", /key 0 at byte 24 .*UTF-8/, start(0, 1), u64(1), u32(0xff), u32(0)],
    ["a key twice", "gguf-duplicate", /"a" at byte 41/, start(0, 2), pair("a", 1), pair("a", 2)],
    ["an unknown value type", "gguf-value-type", /"k" at byte 37 .* type 13/, start(0, 1), text("k"), u32(13), u32(0)],
    ["a value beyond the end", "gguf-truncated", /"k" at byte 37 takes 8/, start(0, 1), text("k"), u32(12), u32(0)],
    ["a string beyond the end", "gguf-truncated", /"k"/, start(0, 1), text("k"), u32(8), u64(2n ** 62n)],
    ["a boolean of 2", "gguf-bool", /"k" at byte 37 is 2/, start(0, 1), text("k"), u32(7), u32(2)],
    ["an array of booleans with a 3", "gguf-bool", /at byte 53 is 3/, array(7, 2, u32(0x0301))],
    ["an array of arrays", "gguf-nesting", /"list"/, array(9, 1, u32(4), u64(1), u32(1))],
    ["an array of an unknown type", "gguf-value-type", /array of the unknown type 99/, array(99, 1)],
    ["an array of 2^60 bytes", "gguf-limit", /"list" .*\d{19} elements/, array(0, 2n ** 60n)],
    ["an array beyond the end", "gguf-truncated", /"list" .*takes 4000000 bytes/, array(4, 1_000_000, u32(0))],
    ["strings beyond the end", "gguf-truncated", /"list" .*takes 4000 bytes/, array(8, 2, u64(0), u64(4000))],
    ["an alignment of 0", "gguf-alignment", /is 0/, start(0, 1), pair("general.alignment", 0)],
    ["an alignment of 48", "gguf-alignment", /is 48/, start(0, 1), pair("general.alignment", 48)],
    ["a tensor's entry cut off", "gguf-truncated", /dimensions of "t"/, tensor("t", [1]).subarray(0, 56)],
    ["a tensor name of 2,000 bytes", "gguf-limit", /tensor 0/, tensor("t".repeat(2000), [1])],
    ["no dimensions", "gguf-tensor-shape", /"t" .*byte 24.* 0 dimensions/, tensor("t", []), u64(0)],
    [
      "2^32 − 1 dimensions",
      "gguf-tensor-shape",
      /4294967295 dimensions/,
      start(1, 0),
      text("t"),
      new Uint8Array(40).fill(255),
    ],
    ["an empty tensor", "gguf-tensor-shape", /\[0, 3\], which is empty/, tensor("t", [3, 0])],
    ["a shape that overflows to 0", "gguf-tensor-shape", /in a file of/, tensor("t", [2n ** 32n, 2n ** 32n, 1, 1])],
    ["a shape larger than the file", "gguf-tensor-shape", /4000 bytes of F32, in a file of 64/, tensor("t", [1000])],
    ["rows that are no whole blocks", "gguf-tensor-shape", /rows of 33 weights; Q4_0/, tensor("t", [33], 2)],
    ["a type that it does not read", "gguf-tensor-type", /"t" .* stored as IQ4_XS/, tensor("t", [256], 23)],
    ["a type that nobody knows", "gguf-tensor-type", /the unknown type 4/, tensor("t", [256], 4)],
    [
      "an offset off the alignment",
      "gguf-tensor-offset",
      /4 .* multiple of the alignment/,
      tensor("t", [1], 0, 4),
      u32(0),
    ],
    [
      "a hole before a tensor",
      "gguf-tensor-offset",
      /32 .* leaves a hole/,
      tensor("t", [1], 0, 32),
      new Uint8Array(64),
    ],
    ["an offset of 2^63", "gguf-tensor-offset", /hole/, tensor("t", [1], 0, 2n ** 63n), u32(0)],
    [
      "data cut off",
      "gguf-truncated",
      /"t" ends at byte 96, but the file at byte 95/,
      tensor("t", [8]),
      new Uint8Array(31),
    ],
    [
      "a tensor twice",
      "gguf-duplicate",
      /tensor "t" at byte 57/,
      start(2, 0),
      tensorEntry("t", [1]),
      tensorEntry("t", [1]),
    ],
    [
      "tensors that overlap",
      "gguf-tensor-offset",
      /offset 0 of the tensor "u" .* overlaps/,
      aligned(start(2, 0), tensorEntry("t", [1]), tensorEntry("u", [1])),
      new Uint8Array(64),
    ],
  ];

  it.each(cases)("%s (%s)", async (_what, code, message, ...parts) => {
    await expect(read(...parts)).rejects.toMatchObject({ name: "RefrainError", kind: "input", code });
    await expect(read(...parts)).rejects.toThrow(message);
    await expect(read(...parts)).rejects.toThrow("model.gguf");
  });

  it("a header of more than 64 MiB, without reading it", async () => {
    let bytesRead = 0;
    const begin = join(start(0, 1), text("k"), u32(8), u64(80_000_000));
    const source = {
      name: "model.gguf",
      size: 100_000_000,
      read: async (from: number, to: number) => {
        bytesRead += to - from;
        const bytes = new Uint8Array(to - from);
        bytes.set(begin.subarray(from, to));
        return bytes;
      },
      readInto: async () => {
        throw new Error("headers are read with read()");
      },
      close: async () => {},
    };
    await expect(readGgufHeader(source)).rejects.toMatchObject({ code: "gguf-limit" });
    expect(bytesRead).toBeLessThan(1_000_000);
  });
});
