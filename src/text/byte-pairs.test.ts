/** Merging against the library's own model, which is slower and made of strings. */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytePairs } from "./byte-pairs.ts";
import { huggingFaceTokenizer, smallJson } from "./tokenizer.testing.ts";
import { type JsonObject, readTokenizerJson } from "./tokenizer-json.ts";

const letters = ["a", "b", "é", "的", "🦙"] as const;

/** A vocabulary of some letters and of merges of what is there already, in an order that has nothing to do with length. */
const model = fc
  .record({
    letters: fc.subarray([...letters], { minLength: 1 }),
    pairs: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 12 }),
    order: fc.infiniteStream(fc.nat()),
    fallback: fc.constantFrom(
      {},
      { unk_token: "<unk>" },
      { unk_token: "<unk>", fuse_unk: true },
      { byte_fallback: true },
    ),
    ignore_merges: fc.boolean(),
  })
  .map(({ letters, pairs, order, fallback, ignore_merges }) => {
    const texts = new Set<string>(["<unk>", ...letters]);
    const merges: [string, string][] = [];
    for (const [a, b] of pairs) {
      const all = [...texts].slice(1);
      const pair: [string, string] = [all[a % all.length]!, all[b % all.length]!];
      merges.push(pair);
      texts.add(pair.join(""));
    }
    const bytes =
      "byte_fallback" in fallback ? [0xc3, 0xa9, 0x61].map((byte) => `<0x${byte.toString(16).toUpperCase()}>`) : [];
    for (const byte of bytes) texts.add(byte);
    const shuffled = merges.map((pair) => ({ pair, key: order.next().value })).sort((a, b) => a.key - b.key);
    const vocab = Object.fromEntries([...texts].map((text, id) => [text, id]));
    return { type: "BPE", vocab, merges: shuffled.map(({ pair }) => pair), ignore_merges, ...fallback };
  });

const word = fc.array(fc.constantFrom(...letters), { maxLength: 14 }).map((parts) => parts.join(""));

describe("bytePairs", () => {
  it("makes the tokens that the library makes", () => {
    fc.assert(
      fc.property(model, fc.array(word, { maxLength: 3 }), (model: JsonObject, words) => {
        const none = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] };
        const library = new Library({ ...none, model }, {});
        const { pieces, merges } = readTokenizerJson({ model });
        const ours = bytePairs(model, pieces, merges);
        expect(ours(words)).toEqual(library.model!(words));
        // From the cache too.
        expect(ours(words)).toEqual(library.model!(words));
      }),
      { numRuns: 2000 },
    );
  });

  it("encodes a word of 200,000 characters in seconds", { timeout: 20_000 }, async () => {
    const json = smallJson({
      model: { type: "BPE", vocab: { a: 0, aa: 1, aaa: 2, aaaa: 3 }, merges: ["a a", "aa aa"] },
    });
    const tokenizer = await huggingFaceTokenizer(json);
    const started = performance.now();
    expect(tokenizer.encode("a".repeat(200_000))).toHaveLength(50_000);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("forgets words rather than keep them all", () => {
    const { pieces, merges } = readTokenizerJson(smallJson());
    const encode = bytePairs({}, pieces, merges);
    const words = Array.from({ length: 30_000 }, (_, i) => i.toString(2).replaceAll("0", "a").replaceAll("1", "b"));
    for (const word of words) expect(encode([word]).join("")).toBe(word);
  });
});
