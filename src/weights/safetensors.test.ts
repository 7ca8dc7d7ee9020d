import { describe, expect, it } from "vitest";
import { bytesSource } from "./byte-source.ts";
import { entry, safetensorsBytes } from "./safetensors.testing.ts";
import { readSafetensorsHeader } from "./safetensors.ts";

const read = (bytes: Uint8Array) => readSafetensorsHeader(bytesSource("m.safetensors", bytes));

/** A header length that does not match the header. */
function announcing(headerBytes: bigint, bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer).setBigUint64(0, headerBytes, true);
  return bytes;
}

describe("readSafetensorsHeader", () => {
  it("reads tensors and metadata, in any order, with white space behind the header", async () => {
    const header = {
      b: entry("BF16", [2, 3], 4, 16),
      __metadata__: { format: "pt" },
      a: entry("F32", [], 0, 4),
      empty: entry("F16", [0, 7], 16, 16),
      steps: entry("I64", [1], 16, 24),
    };
    const text = `${JSON.stringify(header)}   `;
    const { tensors, metadata } = await read(safetensorsBytes(text, 24));
    const data = 8 + text.length;
    expect([...tensors.keys()]).toEqual(["b", "a", "empty", "steps"]);
    expect(tensors.get("b")).toEqual({ name: "b", dtype: "BF16", shape: [2, 3], begin: data + 4, end: data + 16 });
    expect(tensors.get("empty")).toMatchObject({ begin: data + 16, end: data + 16 });
    expect([...metadata]).toEqual([["format", "pt"]]);
  });

  it("reads a file without tensors", async () => {
    expect((await read(safetensorsBytes({}))).tensors.size).toBe(0);
  });

  const one = { a: entry("F32", [2], 0, 8) };
  const big = 2 ** 53 - 1;
  it.each([
    ["an empty file", new Uint8Array(), "truncated", /has 0 bytes/],
    ["a header that is longer than the file", announcing(1000n, safetensorsBytes(one, 8)), "truncated", /1000 bytes/],
    ["a header of 2^64 - 1 bytes", announcing(2n ** 64n - 1n, safetensorsBytes(one, 8)), "header", /at most 100000000/],
    [
      "a header of 100 MB and a byte",
      announcing(100_000_001n, safetensorsBytes(one, 8)),
      "header",
      /at most 100000000/,
    ],
    ["a header of no bytes", announcing(0n, safetensorsBytes(one, 8)), "header", /has 0 bytes/],
    [
      "a header that begins with a space",
      safetensorsBytes(` ${JSON.stringify(one)}`, 8),
      "header",
      /begin with "{" at/,
    ],
    ["another format inside the length", safetensorsBytes("[1,2,3,4]"), "header", /begin with "{" at byte 8/],
    ["a header cut in the middle", announcing(17n, safetensorsBytes(one, 8)), "header", /no end.* at byte \d+/],
    [
      "something behind the header",
      safetensorsBytes(`${JSON.stringify(one)}PK`, 8),
      "header",
      /expected the end, got "P"/,
    ],
    [
      "a nesting bomb in a tensor",
      safetensorsBytes(`{"a":{"shape":${"[".repeat(9999)}`),
      "header",
      /expected an integer/,
    ],
    ["a nesting bomb in the metadata", safetensorsBytes(`{"__metadata__":${'{"a":'.repeat(9999)}`), "header", /string/],
    [
      "a tensor that stands twice",
      safetensorsBytes('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{}}', 4),
      "header",
      /"a" stands twice.*at byte 61/,
    ],
    [
      "a dtype that stands twice",
      safetensorsBytes('{"a":{"dtype":"F32","dtype":"F16"}}'),
      "header",
      /"dtype" stands twice/,
    ],
    ["metadata that is not text", safetensorsBytes({ __metadata__: { a: 1 } }), "header", /expected a string, got "1"/],
    [
      "a tensor without a shape",
      safetensorsBytes({ a: { dtype: "F32", data_offsets: [0, 0] } }),
      "header",
      /"a" needs dtype/,
    ],
    [
      "an unknown key in a tensor",
      safetensorsBytes({ a: { ...one.a, stride: [1] } }, 8),
      "header",
      /unknown key "stride"/,
    ],
    ["nine dimensions", safetensorsBytes({ a: entry("U8", Array(9).fill(1), 0, 1) }, 1), "header", /more than 8 dim/],
    [
      "three offsets",
      safetensorsBytes({ a: { ...one.a, data_offsets: [0, 4, 8] } }, 8),
      "header",
      /more than 2 numbers/,
    ],
    ["a negative dimension", safetensorsBytes({ a: entry("F32", [-2], 0, 8) }, 8), "header", /got -2/],
    ["a broken dimension", safetensorsBytes({ a: entry("F32", [1.5], 0, 6) }, 6), "header", /got 1\.5/],
    ["a dimension that no double holds", safetensorsBytes('{"a":{"shape":[18446744073709551615]}}'), "header", /2\^53/],
    [
      "offsets the wrong way round",
      safetensorsBytes({ a: entry("F32", [2], 8, 0) }, 8),
      "header",
      /impossible .*\[8, 0\]/,
    ],
    ["offsets that overflow", safetensorsBytes({ a: entry("F32", [2], 0, big) }, 8), "header", /impossible/],
    [
      "an unknown dtype",
      safetensorsBytes({ a: entry("F33", [2], 0, 8) }, 8),
      "dtype",
      /"a" \(bytes \d+ to \d+\).* F33/,
    ],
    ["a shape that is too large", safetensorsBytes({ a: entry("F32", [3], 0, 8) }, 8), "shape", /12 bytes, .* give 8/],
    [
      "a shape that overflows",
      safetensorsBytes({ a: entry("F32", [2 ** 30, 2 ** 30], 0, 8) }, 8),
      "shape",
      /overflows/,
    ],
    ["an overflow behind a zero", safetensorsBytes({ a: entry("U8", [big, 9, 0], 0, 0) }), "shape", /overflows/],
    ["half a byte", safetensorsBytes({ a: entry("F4", [3], 0, 2) }, 2), "shape", /1\.5 bytes/],
    ["data cut short", safetensorsBytes(one, 7), "truncated", /"a" \(bytes 62 to 70\) lies beyond .* byte 69/],
    ["data behind the tensors", safetensorsBytes(one, 9), "trailing", /bytes 70 to 71 belong to no tensor/],
    ["a file of data without tensors", safetensorsBytes({}, 9), "trailing", /bytes 10 to 19/],
    [
      "a hole at the start",
      safetensorsBytes({ a: entry("F32", [1], 4, 8) }, 8),
      "hole",
      /bytes 62 to 66, before .*"a"/,
    ],
    [
      "a hole in the middle",
      safetensorsBytes({ a: entry("F32", [1], 0, 4), b: entry("F32", [1], 8, 12) }, 12),
      "hole",
      /"b"/,
    ],
    [
      "two names for the same bytes",
      safetensorsBytes({ a: entry("F32", [1], 0, 4), b: entry("F32", [1], 0, 4) }, 4),
      "overlap",
      /"b" .* overlaps .*"a"/,
    ],
    [
      "tensors that overlap in part",
      safetensorsBytes({ a: entry("F16", [4], 0, 8), b: entry("F16", [4], 4, 12) }, 12),
      "overlap",
      /"b"/,
    ],
    [
      "a tensor that is not aligned",
      safetensorsBytes({ a: entry("U8", [3], 0, 3), b: entry("F32", [1], 3, 7) }, 7),
      "misaligned",
      /"b".* multiple of 4/,
    ],
  ])("refuses %s", async (_, bytes, code, message) => {
    await expect(read(bytes)).rejects.toMatchObject({
      kind: "input",
      code: `safetensors-${code}`,
      message: expect.stringMatching(message),
    });
    await expect(read(bytes)).rejects.toThrow("m.safetensors");
  });

  it("says what a Git LFS pointer is", async () => {
    const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    await expect(read(new TextEncoder().encode(pointer))).rejects.toMatchObject({ code: "git-lfs-pointer" });
  });

  it("refuses very many empty tensors before they fill the memory", async () => {
    let text = "{";
    for (let index = 0; index < 80_000; index++) text += `"${index}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},`;
    await expect(read(safetensorsBytes(`${text}"":{}}`))).rejects.toThrow(/more than 524288 values/);
  });
});
