import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dataPath } from "../../test/data.ts";
import { newTokenizer } from "./new-tokenizer.ts";
import { smallerVocabulary } from "./smaller-vocabulary.ts";
import { ggufTokenizer, huggingFaceTokenizer, smallJson } from "./tokenizer.testing.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer.ts";
import type { JsonObject } from "./tokenizer-json.ts";
import { countWords, trainBytePairs } from "./train-byte-pairs.ts";

const text =
  "The cat sat on the mat. The dog's 12 puppies weren't there; naïve cafés — ½ 北京 🦙 \n\n\tif (x) {\r\n  y();\r\n}   ";
const words = text.split(/(?<= )/);

async function trained(): Promise<Tokenizer> {
  const counts = new Map<string, number>();
  countWords(text.repeat(3), counts);
  return newTokenizer(trainBytePairs(counts, 60));
}

const texts = fc
  .array(fc.oneof(fc.constantFrom(...words), fc.string({ unit: "binary" }), fc.constantFrom("<|endoftext|>", "   ")), {
    maxLength: 12,
  })
  .map((parts) => parts.join(""));

function countsOf(tokenizer: Tokenizer, one: string): Map<number, number> {
  const counts = new Map<number, number>();
  for (const token of tokenizer.encode(one)) counts.set(token, (counts.get(token) ?? 0) + 1);
  return counts;
}

const gpt2 = dataPath("tokenizers/ggml-vocab/ggml-vocab-gpt-2.gguf");
const llama = dataPath("tokenizers/ggml-vocab/ggml-vocab-llama-spm.gguf");

describe.each<[name: string, open: (() => Promise<Tokenizer>) | undefined, sizes: number[]]>([
  ["byte pairs of a small text", trained, [257, 270, 290]],
  ["GPT-2's (needs the shared test data)", gpt2 ? () => ggufTokenizer(gpt2) : undefined, [300, 5000]],
  [
    "Llama 2's, with byte fallback (needs the shared test data)",
    llama ? () => ggufTokenizer(llama) : undefined,
    [12_000],
  ],
])("a smaller vocabulary: %s", (_, open, sizes) => {
  const each = open ? sizes : [];
  it.skipIf(!open).each(each)(
    "keeps texts of kept tokens as they are, and every text readable, of %i",
    async (size) => {
      const whole = await open!();
      const choice = smallerVocabulary(whole).choose(countsOf(whole, text), size);
      const { kept } = choice;
      expect(kept.length).toBeLessThanOrEqual(size);
      const smaller = await openTokenizer(choice.vocabulary);
      expect(smaller.vocabSize).toBe(kept.length);
      kept.forEach((id, place) => {
        expect(smaller.piece(place)).toBe(whole.piece(id));
      });
      const places = new Map(kept.map((id, place) => [id, place]));
      let same = 0;
      fc.assert(
        fc.property(texts, (one) => {
          const ids = whole.encode(one);
          const fewer = smaller.encode(one);
          expect(smaller.decode(fewer, { special: true })).toBe(whole.decode(ids, { special: true }));
          if (!ids.every((id) => places.has(id))) return;
          same++;
          expect(fewer).toEqual(ids.map((id) => places.get(id)));
        }),
        { numRuns: 60 },
      );
      expect(same).toBeGreaterThan(0);
    },
  );
});

describe("which tokens stay", () => {
  const lists = fc.record({ size: fc.integer({ min: 257, max: 317 }), seed: fc.array(fc.nat(316), { maxLength: 80 }) });

  it("are closed: what a token is made of stays with it", async () => {
    const whole = await trained();
    const { least, choose } = smallerVocabulary(whole);
    expect(least).toBe(257);
    fc.assert(
      fc.property(lists, ({ size, seed }) => {
        const counts = new Map<number, number>();
        for (const id of seed) counts.set(id, (counts.get(id) ?? 0) + 1);
        const { kept, vocabulary } = choose(counts, size);
        expect(kept).toHaveLength(Math.min(size, whole.vocabSize));
        const { merges } = vocabulary.tokenizer.model as { merges: string[] };
        // As trained here, each merge makes one token.
        expect(merges).toHaveLength(kept.length - least);
      }),
    );
  });

  it("are all, where there is room for all", async () => {
    const whole = await trained();
    const { kept, vocabulary } = smallerVocabulary(whole).choose(new Map(), whole.vocabSize);
    expect(kept).toHaveLength(whole.vocabSize);
    expect(vocabulary.tokenizer).toEqual(JSON.parse(whole.files()["tokenizer.json"]));
  });

  it("are the special ones and those of the text, whose numbers change wherever the files name them", async () => {
    const template = {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<|end|>" } }, { Sequence: { id: "A" } }],
      special_tokens: { "<|end|>": { id: "<|end|>", ids: [4], tokens: ["<|end|>"] } },
    };
    const roberta = { type: "RobertaProcessing", cls: ["<|end|>", 4], sep: ["<note>", 5] };
    for (const [processor, renumbered] of [
      [template, { ...template, special_tokens: { "<|end|>": { id: "<|end|>", ids: [3], tokens: ["<|end|>"] } } }],
      [roberta, { ...roberta, cls: ["<|end|>", 3], sep: ["<note>", 4] }],
    ] as const) {
      const config = { eos_token: "<|end|>", added_tokens_decoder: { 4: { content: "<|end|>" } } };
      const whole = await huggingFaceTokenizer(smallJson({ post_processor: processor as JsonObject }), config);
      const { kept, vocabulary } = smallerVocabulary(whole).choose(new Map(), 5);
      expect(kept).toEqual([0, 1, 3, 4, 5]);
      expect(vocabulary.tokenizer).toMatchObject({
        added_tokens: [{ id: 3 }, { id: 4 }],
        post_processor: renumbered,
        model: { vocab: { a: 0, b: 1, Ġ: 2 }, merges: [] },
      });
      expect(vocabulary.config).toEqual({ eos_token: "<|end|>", added_tokens_decoder: { 3: { content: "<|end|>" } } });
      const smaller = await openTokenizer(vocabulary);
      expect(smaller.encode("ab<note>", { special: false })).toEqual([0, 1, 4]);
      expect(smaller.stops).toEqual([3]);
    }
  });
});
