/** Where `@huggingface/tokenizers` by itself would cut differently from the library that wrote the file. */
import { describe, expect, it } from "vitest";
import { huggingFaceTokenizer, smallJson } from "./tokenizer.testing.ts";
import type { JsonObject } from "./tokenizer-json.ts";

/** Every merge of two equal letters and of a mark is there, so what stays apart was cut. */
async function cut(text: string, pre_tokenizer: JsonObject, vocab: Record<string, number>, merges: string[]) {
  const decoder = { type: "Replace", pattern: { String: "▁" }, content: " " };
  const tokenizer = await huggingFaceTokenizer(
    smallJson({ added_tokens: [], pre_tokenizer, decoder, model: { type: "BPE", vocab, merges } }),
  );
  return tokenizer.encode(text).map((id) => tokenizer.piece(id));
}

describe("the pre-tokenizer", () => {
  it("takes every number of Unicode for a digit", async () => {
    const vocab = { "½": 0, "½½": 1, a: 2, "a½": 3 };
    const merges = ["½ ½", "a ½"];
    expect(await cut("a½½", { type: "Digits", individual_digits: true }, vocab, merges)).toEqual(["a", "½", "½"]);
    expect(await cut("a½½", { type: "Digits", individual_digits: false }, vocab, merges)).toEqual(["a", "½½"]);
  });

  it("takes U+0085 for a space and U+FEFF for none", async () => {
    // In GPT-2's alphabet these are the bytes C2 85 and EF BB BF.
    const vocab = { Ġ: 0, "!": 1, Â: 2, ħ: 3, ï: 4, "»": 5, "¿": 6, Ġï: 7, "!Â": 8 };
    const model = { type: "BPE", vocab, merges: ["Ġ ï", "! Â"] };
    const tokenizer = await huggingFaceTokenizer(smallJson({ added_tokens: [], model }));
    expect(tokenizer.encode("!\u0085")).toEqual([1, 2, 3]);
    expect(tokenizer.encode(" \uFEFF!")).toEqual([7, 5, 6, 1]);
  });

  it("cuts before each mark where Metaspace says split, and nowhere else where not", async () => {
    const vocab = { "▁": 0, "▁▁": 1, a: 2, "▁▁a": 3 };
    const merges = ["▁ ▁", "▁▁ a"];
    const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "always" };
    expect(await cut("  a", { ...metaspace, split: true }, vocab, merges)).toEqual([" ", " ", "a"]);
    expect(await cut("  a", { ...metaspace, split: false }, vocab, merges)).toEqual(["  a"]);
  });

  it("does not cut before a mark that a merge crosses", async () => {
    const vocab = { "▁": 0, a: 1, "▁a": 2, "a▁": 3 };
    const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "never", split: false };
    expect(await cut("a a", metaspace, vocab, ["a ▁", "▁ a"])).toEqual(["a ", "a"]);
    expect(await cut("a a", metaspace, vocab, ["▁ a"])).toEqual(["a", " a"]);
  });
});
