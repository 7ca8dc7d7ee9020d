import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dataPath } from "../../test/data.ts";
import { characterOfByte } from "./byte-alphabet.ts";
import { newTokenizer } from "./new-tokenizer.ts";
import { type BytePairMerge, countWords, trainBytePairs } from "./train-byte-pairs.ts";

function counted(...texts: string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) countWords(text, counts);
  return counts;
}

function spelled(merges: readonly BytePairMerge[]): string[] {
  const texts = [...characterOfByte];
  return merges.map(([left, right]) => {
    texts.push(texts[left]! + texts[right]!);
    return `${texts[left]} ${texts[right]}`;
  });
}

/** Counts every pair anew for each merge. */
function slowly(counts: ReadonlyMap<string, number>, most: number): BytePairMerge[] {
  const words = Array.from(counts, ([word, count]) => ({ tokens: [...new TextEncoder().encode(word)], count }));
  const texts = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  const merges: BytePairMerge[] = [];
  while (merges.length < most) {
    const pairs = new Map<string, { left: number; right: number; count: number }>();
    for (const { tokens, count } of words) {
      for (let i = 0; i + 1 < tokens.length; i++) {
        const [left, right] = [tokens[i]!, tokens[i + 1]!];
        const pair = pairs.get(`${left} ${right}`) ?? { left, right, count: 0 };
        pair.count += count;
        pairs.set(`${left} ${right}`, pair);
      }
    }
    const greater = (a: string, b: string) => (a > b ? 1 : a < b ? -1 : 0);
    const [best] = [...pairs.values()].sort(
      (a, b) =>
        b.count - a.count || greater(texts[b.left]!, texts[a.left]!) || greater(texts[b.right]!, texts[a.right]!),
    );
    if (best === undefined || best.count < 2) break;
    for (const word of words) {
      for (let i = 0; i + 1 < word.tokens.length; i++) {
        if (word.tokens[i] === best.left && word.tokens[i + 1] === best.right) word.tokens.splice(i, 2, texts.length);
      }
    }
    texts.push(texts[best.left]! + texts[best.right]!);
    merges.push([best.left, best.right]);
  }
  return merges;
}

describe("training of byte pairs", () => {
  it("joins the most frequent pair first, and stops where none occurs twice", () => {
    expect(spelled(trainBytePairs(counted("low low low lower newest newest"), 100))).toEqual([
      "o w",
      "l ow",
      "Ġ low",
      "w e",
      "we s",
      "wes t",
      "n e",
      "ne west",
      "Ġ newest",
    ]);
    expect(trainBytePairs(new Map(), 10)).toEqual([]);
    expect(trainBytePairs(counted("one"), 10)).toEqual([]);
  });

  it("does what counting anew for each merge does, repeated letters included", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "ab", "é", "👍"), minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.dictionary(word, fc.integer({ min: 1, max: 9 }), { maxKeys: 12 }), (words) => {
        const counts = new Map(Object.entries(words));
        expect(trainBytePairs(counts, 40)).toEqual(slowly(counts, 40));
      }),
    );
  });

  const corpus = dataPath("tokenizers/bpe-train-fixture/corpus.en");
  const reference = dataPath("tokenizers/bpe-train-fixture/train-bpe-reference-merges.txt");
  const vocabulary = dataPath("tokenizers/bpe-train-fixture/train-bpe-reference-vocab.json");
  it.skipIf(!corpus || !reference || !vocabulary)(
    "makes the merges and the vocabulary of another trainer (needs the shared test data)",
    async () => {
      const texts = readFileSync(corpus!, "utf8").split("<|endoftext|>");
      const merges = trainBytePairs(counted(...texts), 500 - 257);
      expect(spelled(merges)).toEqual(readFileSync(reference!, "utf8").trimEnd().split("\n"));
      const tokenizer = await newTokenizer(merges);
      const { model } = JSON.parse(tokenizer.files()["tokenizer.json"]);
      expect(model.vocab).toEqual(JSON.parse(readFileSync(vocabulary!, "utf8")));
    },
  );
});

describe("a new tokenizer", () => {
  it("has a token for every byte, and one that ends a text", async () => {
    const tokenizer = await newTokenizer();
    expect(tokenizer.vocabSize).toBe(257);
    expect({ bos: tokenizer.bos, stops: tokenizer.stops }).toEqual({ bos: 0, stops: [0] });
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const tokens = tokenizer.encode(text);
        expect(tokens).toHaveLength(new TextEncoder().encode(text).length);
        expect(tokenizer.decode(tokens)).toBe(text);
      }),
    );
  });

  it("cuts as it was trained: a merged word is one token", async () => {
    const tokenizer = await newTokenizer(trainBytePairs(counted("the cat the cat the cat\u0085the"), 100));
    expect(tokenizer.encode(" cat the").map((token) => tokenizer.piece(token))).toEqual([" cat", " the"]);
    expect(tokenizer.decode(tokenizer.encode(" cat\u0085the"))).toBe(" cat\u0085the");
  });

  it("is opened again from its own files", async () => {
    const tokenizer = await newTokenizer(trainBytePairs(counted("the cat the cat"), 100));
    const files = tokenizer.files();
    expect(JSON.parse(files["tokenizer_config.json"])).toMatchObject({ eos_token: "<|endoftext|>" });
    const { openTokenizer } = await import("./tokenizer.ts");
    const again = await openTokenizer({
      kind: "huggingface",
      tokenizer: JSON.parse(files["tokenizer.json"]),
      config: JSON.parse(files["tokenizer_config.json"]),
    });
    expect(again.encode("the cat<|endoftext|>")).toEqual(tokenizer.encode("the cat<|endoftext|>"));
  });
});
