import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dataPath } from "../../test/data.ts";
import type { VocabularySource } from "../weights/checkpoint.ts";
import type { GgufEntry } from "../weights/gguf-write.ts";
import { TextList } from "../weights/text-list.ts";
import { exportedTokenizer } from "./export-tokenizer.ts";
import { newTokenizer } from "./new-tokenizer.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer.ts";
import { countWords, trainBytePairs } from "./train-byte-pairs.ts";

/** As the file would be read. */
function asRead(entries: ReadonlyMap<string, GgufEntry>): VocabularySource {
  const value = (entry: GgufEntry): unknown => {
    if (entry[0] !== "array") return entry[1];
    return Array.isArray(entry[2]) && entry[1] === "string" ? TextList.of(entry[2]) : entry[2];
  };
  return { kind: "gguf", metadata: new Map([...entries].map(([key, entry]) => [key, value(entry)])) };
}

const exported = async (source: VocabularySource, rows = 0): Promise<Tokenizer> =>
  openTokenizer(asRead(exportedTokenizer(source, rows)));

function sourceOf(tokenizer: Tokenizer): Extract<VocabularySource, { kind: "huggingface" }> {
  const files = tokenizer.files();
  return {
    kind: "huggingface",
    tokenizer: JSON.parse(files["tokenizer.json"]),
    config: JSON.parse(files["tokenizer_config.json"]),
  };
}

const text =
  "The cat sat on the mat. The dog's 12 puppies weren't there; naïve cafés — ½ 北京 🦙 \n\n\tif (x) {\r\n  y();\r\n}   ";

async function trained(): Promise<Tokenizer> {
  const counts = new Map<string, number>();
  countWords(text.repeat(3), counts);
  return newTokenizer(trainBytePairs(counts, 60));
}

const texts = fc.array(
  fc.oneof(
    fc.constantFrom(...text.split(/(?<= )/)),
    fc.string({ unit: "binary" }),
    fc.constantFrom("<|endoftext|>", "\u0085", "\ufeff", "   "),
  ),
  { maxLength: 12 },
);

function sameTokens(source: Tokenizer, written: Tokenizer, numRuns = 100): void {
  fc.assert(
    fc.property(texts, (parts) => {
      const one = parts.join("");
      const ids = source.encode(one);
      expect(written.encode(one)).toEqual(ids);
      expect(written.decode(ids, { special: true })).toBe(source.decode(ids, { special: true }));
    }),
    { numRuns },
  );
}

describe("a tokenizer as metadata of a GGUF file", () => {
  it("that train made gives the same tokens for any text", async () => {
    const source = await trained();
    const written = await exported(sourceOf(source));
    expect(written).toMatchObject({ vocabSize: source.vocabSize, bos: 0, stops: [0] });
    sameTokens(source, written);
  });

  it("that has bytes alone does too", async () => {
    const source = await newTokenizer();
    sameTokens(source, await exported(sourceOf(source)));
  });

  it("has a token for every row of the embedding; those that fill it up have no text", async () => {
    const source = await newTokenizer();
    const written = await exported(sourceOf(source), 300);
    expect(written.vocabSize).toBe(300);
    expect(written.decode([299])).toBe("");
    expect(written.encode("[PAD299]")).toEqual(source.encode("[PAD299]"));
  });

  it("frames texts as the source does, and keeps the chat template", async () => {
    const { tokenizer, config } = sourceOf(await newTokenizer());
    const chat = { ...config, add_bos_token: true, chat_template: "{{ messages[0].content }}" };
    const written = await exported({ kind: "huggingface", tokenizer, config: chat });
    expect(written.encode("a")[0]).toBe(0);
    expect(written.encode("a")).toHaveLength(2);
    expect(written.chat([{ role: "user", content: "hello" }])).toBe("hello");
  });

  it("keeps a rule that cuts digits apart", async () => {
    const { tokenizer, config } = sourceOf(await trained());
    const digits = { type: "Digits", individual_digits: true };
    const pre_tokenizer = { type: "Sequence", pretokenizers: [digits, tokenizer.pre_tokenizer] };
    const source = { kind: "huggingface", tokenizer: { ...tokenizer, pre_tokenizer }, config } as const;
    expect(exportedTokenizer(source, 0).get("tokenizer.ggml.pre")).toEqual(["string", "smollm"]);
    sameTokens(await openTokenizer(source), await exported(source));
  });

  it.skipIf(!dataPath("tokenizers/smollm2/tokenizer.json"))("of a real vocabulary gives the same tokens", async () => {
    const tokenizer = JSON.parse(readFileSync(dataPath("tokenizers/smollm2/tokenizer.json")!, "utf8"));
    const source = { kind: "huggingface", tokenizer, config: { bos_token: "<|im_start|>" } } as const;
    expect(exportedTokenizer(source, 0).get("tokenizer.ggml.pre")).toEqual(["string", "gpt-2"]);
    sameTokens(await openTokenizer(source), await exported(source));
  });

  it.skipIf(!dataPath("models/stories260K/tok512.bin"))("of llama2.c has its pieces and scores", async () => {
    const bytes = new Uint8Array(readFileSync(dataPath("models/stories260K/tok512.bin")!));
    const source = { kind: "llama2.c", bytes, vocabSize: 512 } as const;
    const [before, after] = [await openTokenizer(source), await exported(source)];
    expect(after.files()["tokenizer.json"]).toBe(before.files()["tokenizer.json"]);
    sameTokens(before, after);
  });

  it.skipIf(!dataPath("models/llama2-tokenizer/tokenizer.bin"))(
    "of a folder that was made from SentencePiece has scores again",
    async () => {
      for (const [path, vocabSize] of [
        ["models/stories260K/tok512.bin", 512],
        ["models/llama2-tokenizer/tokenizer.bin", 32_000],
      ] as const) {
        const bytes = new Uint8Array(readFileSync(dataPath(path)!));
        const folder = sourceOf(await openTokenizer({ kind: "llama2.c", bytes, vocabSize }));
        const [before, after] = [await openTokenizer(folder), await exported(folder, vocabSize)];
        expect(after.files()["tokenizer.json"]).toBe(before.files()["tokenizer.json"]);
        sameTokens(before, after, 20);
      }
    },
  );

  it.skipIf(!dataPath("models/stories260K/tok512.bin"))("is refused where scores cannot give the merges", async () => {
    const bytes = new Uint8Array(readFileSync(dataPath("models/stories260K/tok512.bin")!));
    const { tokenizer, config } = sourceOf(await openTokenizer({ kind: "llama2.c", bytes, vocabSize: 512 }));
    const model = tokenizer.model as { merges: string[] };
    const changes: Record<string, unknown>[] = [
      { model: { ...model, merges: model.merges.slice(1) } },
      { normalizer: null },
      { pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "first" } },
    ];
    for (const change of changes) {
      const source = { kind: "huggingface", tokenizer: { ...tokenizer, ...change }, config } as const;
      expect(() => exportedTokenizer(source, 0)).toThrow(/do not follow from a score/);
    }
  });

  it("of another GGUF file is copied", () => {
    const metadata = new Map<string, unknown>([
      ["tokenizer.ggml.model", "gpt2"],
      ["tokenizer.ggml.tokens", TextList.of(["a", "b"])],
      ["tokenizer.ggml.token_type", Int32Array.of(1, 3)],
      ["tokenizer.ggml.add_bos_token", false],
      ["tokenizer.ggml.bos_token_id", 1],
      ["tokenizer.ggml.some_bias", -1.5],
    ]);
    const entries = exportedTokenizer({ kind: "gguf", metadata }, 2);
    expect(asRead(entries)).toEqual({ kind: "gguf", metadata });
    expect(entries.get("tokenizer.ggml.token_type")!.slice(0, 2)).toEqual(["array", "i32"]);
    expect(entries.get("tokenizer.ggml.bos_token_id")).toEqual(["u32", 1]);
    expect(entries.get("tokenizer.ggml.some_bias")).toEqual(["f32", -1.5]);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["a rule that has no name", { pre_tokenizer: { type: "Whitespace" } }, /no name of GGUF stands for/],
    ["a space before each text", { pre_tokenizer: { type: "ByteLevel", add_prefix_space: true } }, /no name/],
    ["a normalizer", { normalizer: { type: "NFKC" } }, /no name/],
    ["another decoder", { decoder: { type: "WordPiece" } }, /decoder is not of bytes/],
    [
      "a token that takes the space beside it",
      { added_tokens: [{ id: 0, content: "<|endoftext|>", lstrip: true, special: true }] },
      /token "<\|endoftext\|>" takes the space/,
    ],
    ["two tokens of one text", { added_tokens: [{ id: 400, content: "a" }] }, /two of its tokens have the text "a"/],
    [
      "more than one token before a text",
      { post_processor: { type: "BertProcessing", cls: ["!", 1], sep: ["<|endoftext|>", 0] } },
      /more around a text/,
    ],
  ])("is refused with %s", async (_, change, message) => {
    const { tokenizer, config } = sourceOf(await newTokenizer());
    const source = { kind: "huggingface", tokenizer: { ...tokenizer, ...change }, config } as const;
    expect(() => exportedTokenizer(source, 0)).toThrow(message);
  });
});
