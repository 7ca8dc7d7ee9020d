import { describe, expect, it } from "vitest";
import { llama2cBytes } from "./tokenizer.testing.ts";
import { openTokenizer } from "./tokenizer.ts";

const pieces = [
  [" ", -9],
  ["a", -9],
  ["b", -9],
  [" a", -1],
  ["ab", -2],
] as const;
const vocabSize = 259 + pieces.length;

const open = (bytes: Uint8Array, size = vocabSize) => openTokenizer({ kind: "llama2.c", bytes, vocabSize: size });

describe("llama2.c's tokenizer.bin", () => {
  it("merges by score, puts a space before a text that is not empty, and spells the rest as bytes", async () => {
    const tokenizer = await open(llama2cBytes(pieces));
    expect(tokenizer.encode("")).toEqual([1]);
    expect(tokenizer.encode("ab")).toEqual([1, 262, 261]); // "▁a" comes before "ab"
    expect(tokenizer.encode("ba")).toEqual([1, 259, 261, 260]);
    expect(tokenizer.encode("\n")).toEqual([1, 259, 3 + 10]);
    expect(tokenizer.decode([1, 262, 261])).toBe("ab");
  });

  it("takes the leftmost of merges with one score", async () => {
    const doubles = [
      ["a", -9],
      ["aa", -1],
      [" ", -9],
    ] as const;
    const tokenizer = await open(llama2cBytes(doubles), 262);
    expect(tokenizer.encode("aaa")).toEqual([1, 261, 260, 259]);
  });

  const good = llama2cBytes(pieces);
  const changed = (at: number, value: number) => {
    const bytes = good.slice();
    new DataView(bytes.buffer).setInt32(at, value, true);
    return bytes;
  };
  it.each<[string, Uint8Array, number, string]>([
    ["too small a vocabulary", good, 100, "the model has 100 tokens; 259"],
    ["too large a vocabulary", good, 1e9, "the model has 1000000000 tokens"],
    ["an empty file", new Uint8Array(0), vocabSize, "0 bytes are too few"],
    ["a file that is cut off", good.subarray(0, -1), vocabSize, "claims 2 bytes; 1 are left"],
    ["a file that ends between tokens", good, vocabSize + 1, `before token ${vocabSize} of ${vocabSize + 1}`],
    ["bytes at the end", good, vocabSize - 1, "bytes are left after"],
    ["a negative length", changed(8, -1), vocabSize, "token 0 at byte 8 claims -1 bytes"],
    ["a huge length", changed(8, 0x7fffffff), vocabSize, "token 0 at byte 8 claims 2147483647 bytes"],
  ])("refuses %s", async (_, bytes, size, message) => {
    await expect(open(bytes, size)).rejects.toMatchObject({
      kind: "input",
      code: "llama2c-vocabulary",
      message: expect.stringContaining(message),
    });
  });

  it("refuses text that is not UTF-8", async () => {
    const bytes = good.slice();
    bytes[bytes.length - 1] = 0xff;
    await expect(open(bytes)).rejects.toThrow("is not valid UTF-8");
  });

  it("refuses bytes that do not stand where they belong", async () => {
    const bytes = good.slice();
    bytes[bytes.indexOf(0x3c, 40)] = 0x5b;
    await expect(open(bytes)).rejects.toThrow("token 3 should be <0x00>");
  });

  it.each<[string, readonly (readonly [string, number])[], string]>([
    [
      "two tokens of one text",
      [
        ["a", 0],
        ["a", -1],
      ],
      "vocabulary-duplicate",
    ],
    ["a score that is not a number", [["a", Number.NaN]], "vocabulary-score"],
    ["a token of 2,000 characters", [["a".repeat(2000), 0]], "vocabulary-piece"],
  ])("refuses %s", async (_, bad, code) => {
    await expect(open(llama2cBytes(bad), 259 + bad.length)).rejects.toMatchObject({ kind: "input", code });
  });
});
