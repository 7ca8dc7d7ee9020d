/** Whole tokenizers against vectors that other programs made. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dataPath, smolLM2Path } from "../../test/data.ts";
import { inSequence } from "./pre-tokenizer.ts";
import { ggufTokenizer, huggingFaceTokenizer, llama2cBytes, smallJson } from "./tokenizer.testing.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer.ts";
import type { JsonObject } from "./tokenizer-json.ts";

interface Vectors {
  readonly vectors: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

/** Any text: ASCII, spaces, letters of other scripts, emoji with joiners, control characters, a byte order mark. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 6 }),
      fc.constantFrom(
        " ",
        "  ",
        "\n",
        "\t",
        "the",
        "don't",
        "123",
        "½",
        "é",
        "e\u0301",
        "的",
        "👩‍👩‍👧",
        "\uFEFF",
        "\u0085",
        "\u0000",
        "<s>x",
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

/** `except` is what the tokenizer itself cannot tell apart. */
function itRoundTrips(tokenizer: () => Promise<Tokenizer>, except: (text: string) => boolean): void {
  it("decodes what it encodes, at once and token by token", { timeout: 30_000 }, async () => {
    const open = await tokenizer();
    fc.assert(
      fc.property(anyText, (text) => {
        fc.pre(!except(text));
        const tokens = open.encode(text);
        expect(open.decode(tokens)).toBe(text);
        const stream = open.stream();
        expect(tokens.map((token) => stream.push(token)).join("") + stream.end()).toBe(text);
      }),
      { numRuns: 1000 },
    );
  });

  it("streams any tokens to what it decodes them to", { timeout: 30_000 }, async () => {
    const open = await tokenizer();
    fc.assert(
      fc.property(fc.array(fc.nat(open.vocabSize + 10), { maxLength: 20 }), (tokens) => {
        const stream = open.stream();
        const parts = tokens.map((token) => stream.push(token));
        expect(parts.join("") + stream.end()).toBe(open.decode(tokens));
      }),
      { numRuns: 500 },
    );
  });
}

const smolJson = dataPath("tokenizers/smollm2/tokenizer.json");
const smolVectors = dataPath("tokenizers/smollm2/test_vectors.json");

describe.skipIf(!smolJson || !smolVectors)("SmolLM2's tokenizer.json (needs the shared test data)", () => {
  const open = () => {
    const json = readJson<JsonObject>(smolJson!);
    // The file was saved again by a program that lost the first of its two steps.
    const digits = { type: "Digits", individual_digits: true };
    return huggingFaceTokenizer({ ...json, pre_tokenizer: inSequence(digits, json.pre_tokenizer as JsonObject) });
  };

  it("gives the ids of the published vectors", async () => {
    const tokenizer = await open();
    const { vectors } = readJson<Vectors>(smolVectors!);
    expect(vectors).toHaveLength(7);
    for (const { text, ids } of vectors) expect(tokenizer.encode(text)).toEqual(ids);
  });

  it("knows where a text and a turn end", async () => {
    const tokenizer = await open();
    expect(tokenizer.vocabSize).toBe(49152);
    expect(tokenizer.stops.map((id) => tokenizer.piece(id))).toEqual(["<|endoftext|>", "<|im_end|>"]);
    expect(tokenizer.bos).toBeUndefined();
  });

  // The vocabulary has no tokens for some bytes that its makers never met; what they spell is lost, in Python too.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are the subject
  itRoundTrips(open, (text) => /[\x04\x06\x13\x14\x16\x1d\u{40000}-\u{bffff}]/u.test(text));
});

const gpt2Vocabulary = dataPath("tokenizers/gpt2/encoder.json");
const gpt2Merges = dataPath("tokenizers/gpt2/vocab.bpe");

describe.skipIf(!gpt2Vocabulary || !gpt2Merges)(
  "GPT-2 from encoder.json and vocab.bpe (needs the shared test data)",
  () => {
    const open = () => {
      const merges = readFileSync(gpt2Merges!, "utf8").split("\n").slice(1).filter(Boolean);
      return huggingFaceTokenizer({
        added_tokens: [{ id: 50256, content: "<|endoftext|>", special: true }],
        pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
        decoder: { type: "ByteLevel" },
        // GPT-2's own file on the hub names no type either.
        model: { vocab: readJson<JsonObject>(gpt2Vocabulary!), merges },
      });
    };
    const tests = ggmlVectors("gpt-2");

    it.skipIf(tests === undefined)("gives the ids that llama.cpp gives for the same vocabulary", async () => {
      const tokenizer = await open();
      for (const { text, ids } of tests!) expect(tokenizer.encode(text)).toEqual(ids);
    });

    it("reads a special token in the text", async () => {
      expect((await open()).encode("a<|endoftext|>b")).toEqual([64, 50256, 65]);
    });
  },
);

/** llama.cpp's own tests: texts, and a line of ids for each. */
function ggmlVectors(name: string): { text: string; ids: number[] }[] | undefined {
  const input = dataPath(`tokenizers/ggml-vocab/ggml-vocab-${name}.gguf.inp`);
  const output = dataPath(`tokenizers/ggml-vocab/ggml-vocab-${name}.gguf.out`);
  if (!input || !output) return undefined;
  const texts = readFileSync(input, "utf8").split("\n__ggml_vocab_test__\n");
  const lines = readFileSync(output, "utf8").split("\n");
  // The last text is followed by the mark too.
  return texts.slice(0, -1).map((text, i) => ({ text, ids: (lines[i]!.match(/\d+/g) ?? []).map(Number) }));
}

describe.each(["gpt-2", "llama-spm"])("the vocabulary in ggml-vocab-%s.gguf", (name) => {
  const path = dataPath(`tokenizers/ggml-vocab/ggml-vocab-${name}.gguf`);
  const tests = ggmlVectors(name);
  const open = () => ggufTokenizer(path!);

  it.skipIf(!path || !tests)(
    "gives the 46 lists of ids that llama.cpp gives (needs the shared test data)",
    async () => {
      const tokenizer = await open();
      expect(tests).toHaveLength(46);
      for (const { text, ids } of tests!) expect(tokenizer.encode(text, { special: false })).toEqual(ids);
    },
  );

  describe.skipIf(!path)("and back (needs the shared test data)", () => {
    const spm = name === "llama-spm";
    itRoundTrips(open, (text) => (spm ? text.includes("▁") || text.includes("<s>") : false));
  });

  it.skipIf(!path)("stays the same when saved and opened again (needs the shared test data)", async () => {
    const tokenizer = await open();
    const files = tokenizer.files();
    const again = await huggingFaceTokenizer(
      JSON.parse(files["tokenizer.json"]) as JsonObject,
      JSON.parse(files["tokenizer_config.json"]) as JsonObject,
    );
    for (const text of ["Hello   world, 3.14!", " a\n\n b", "", "<s>x</s>"]) {
      expect(again.encode(text)).toEqual(tokenizer.encode(text));
    }
    expect(again).toMatchObject({ bos: tokenizer.bos, stops: tokenizer.stops, vocabSize: tokenizer.vocabSize });
  });
});

const bert = dataPath("tokenizers/ggml-vocab/ggml-vocab-bert-bge.gguf");

it.skipIf(!bert)("refuses BERT's WordPiece in a GGUF by name (needs the shared test data)", async () => {
  await expect(ggufTokenizer(bert!)).rejects.toMatchObject({
    code: "gguf-tokenizer-model",
    message: expect.stringContaining('of the kind "bert"'),
  });
});

const llama2 = dataPath("models/llama2-tokenizer/tokenizer.bin");
const llama2Vectors = dataPath("models/llama2-tokenizer/test_vectors.json");

describe.skipIf(!llama2 || !llama2Vectors)("Llama 2's tokenizer.bin (needs the shared test data)", () => {
  const open = () => openTokenizer({ kind: "llama2.c", bytes: readFileSync(llama2!), vocabSize: 32000 });

  it("gives the ids of llama2.c's own tests", async () => {
    const tokenizer = await open();
    const { vectors } = readJson<Vectors>(llama2Vectors!);
    expect(vectors).toHaveLength(5);
    for (const { text, ids } of vectors) expect(tokenizer.encode(text)).toEqual(ids);
  });

  it.skipIf(!dataPath("text/wikitext2_wiki.test.raw"))("encodes 1.3 MB in seconds", { timeout: 30_000 }, async () => {
    const tokenizer = await open();
    const text = readFileSync(dataPath("text/wikitext2_wiki.test.raw")!, "utf8");
    const started = performance.now();
    const tokens = tokenizer.encode(text);
    expect(performance.now() - started).toBeLessThan(8000);
    expect(tokenizer.decode(tokens)).toBe(text);
    expect(tokens).toHaveLength(335_688);
  });
});

const tok512 = dataPath("models/stories260K/tok512.bin");
const stories = dataPath("models/stories260K/stories260K_reference.json");

describe.skipIf(!tok512 || !stories)("stories260K's tok512.bin (needs the shared test data)", () => {
  const open = () => openTokenizer({ kind: "llama2.c", bytes: readFileSync(tok512!), vocabSize: 512 });

  it("gives the ids that llama2.c gives, and their text", async () => {
    const tokenizer = await open();
    const { logits } = readJson<{ logits: { prompt: string; tokens: number[] }[] }>(stories!);
    expect(logits.length).toBeGreaterThan(0);
    for (const { prompt, tokens } of logits) {
      expect(tokenizer.encode(prompt)).toEqual(tokens);
      expect(tokenizer.decode(tokens)).toBe(prompt);
    }
    expect(tokenizer).toMatchObject({ bos: 1, stops: [2], vocabSize: 512, hasChat: false });
  });

  itRoundTrips(open, (text) => text.includes("▁") || text.includes("<s>"));
});

const smolGguf = smolLM2Path();

describe.skipIf(!smolGguf)("SmolLM2-135M-Instruct's GGUF (needs the model; see test/fetch-models.mjs)", () => {
  it("ends a turn, and renders the chat template as transformers does", { timeout: 30_000 }, async () => {
    const tokenizer = await ggufTokenizer(smolGguf!);
    expect(tokenizer.stops.map((id) => tokenizer.piece(id))).toContain("<|im_end|>");
    expect(tokenizer.encode("I have 3 apples and 42 oranges.")).toEqual([
      57, 457, 216, 35, 13855, 284, 216, 36, 34, 27068, 30,
    ]);
    const text = tokenizer.chat([{ role: "user", content: "Hi" }]);
    expect(text).toBe(
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" +
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
    expect(tokenizer.encode(text, { special: false }).slice(0, 3)).toEqual([1, 9690, 198]);
  });
});

describe("a tokenizer", () => {
  it("normalizes as the file says", async () => {
    const vocab = { Ã: 0, "©": 1, e: 2 };
    const json = smallJson({ normalizer: { type: "NFC" }, model: { type: "BPE", vocab, merges: [] } });
    expect((await huggingFaceTokenizer(json)).encode("e\u0301")).toEqual([0, 1]);
  });

  it("adds what the post-processor says, unless the config says otherwise", async () => {
    const single = [{ SpecialToken: { id: "<|end|>" } }, { Sequence: { id: "A" } }];
    const json = smallJson({ post_processor: { type: "TemplateProcessing", single } });
    const open = (config: JsonObject) => huggingFaceTokenizer(json, config);
    expect((await open({})).encode("ab")).toEqual([4, 2]);
    expect((await open({})).bos).toBe(4);
    expect((await open({})).encode("ab", { special: false })).toEqual([2]);
    expect((await open({ add_bos_token: false })).encode("ab")).toEqual([2]);
    expect((await open({ eos_token: "<|end|>", add_eos_token: true })).encode("ab")).toEqual([4, 2, 4]);
    const bos = { bos_token: { content: "<|end|>" }, add_bos_token: true };
    expect((await huggingFaceTokenizer(smallJson(), bos)).encode("ab")).toEqual([4, 2]);
  });

  it("hides special tokens unless asked for, and shows added ones", async () => {
    const tokenizer = await huggingFaceTokenizer(smallJson());
    const tokens = tokenizer.encode("ab<|end|> <note>");
    expect(tokens).toEqual([2, 4, 3, 5]);
    expect(tokenizer.decode(tokens)).toBe("ab <note>");
    expect(tokenizer.decode(tokens, { special: true })).toBe("ab<|end|> <note>");
    expect(tokens.map((token) => tokenizer.piece(token))).toEqual(["ab", "<|end|>", " ", "<note>"]);
    expect(tokenizer.decode([2, 77])).toBe("ab");
  });

  it("holds a character back until it is complete", async () => {
    const tokenizer = await openTokenizer({ kind: "llama2.c", bytes: llama2cBytes([["a", -1]]), vocabSize: 260 });
    const stream = tokenizer.stream();
    const [, ...tokens] = tokenizer.encode("é");
    const bytes = tokens.slice(-2);
    expect(bytes.map((token) => tokenizer.piece(token))).toEqual(["<0xC3>", "<0xA9>"]);
    expect(bytes.map((token) => stream.push(token))).toEqual(["", "é"]);
    expect([stream.push(bytes[0]!), stream.end()]).toEqual(["", "\uFFFD"]);
  });

  it("gives the files as they were", async () => {
    const files = (await huggingFaceTokenizer(smallJson(), { bos_token: null })).files();
    expect(JSON.parse(files["tokenizer.json"])).toEqual(smallJson());
    expect(JSON.parse(files["tokenizer_config.json"])).toEqual({ bos_token: null });
  });

  it("has no chat without a template, and takes the default of several", async () => {
    const plain = await huggingFaceTokenizer(smallJson());
    expect(plain.hasChat).toBe(false);
    expect(() => plain.chat([{ role: "user", content: "a" }])).toThrow(
      expect.objectContaining({ code: "no-chat-template" }),
    );
    const templates = ["tool_use", "default"].map((name) => ({ name, template: name }));
    const chatty = await huggingFaceTokenizer(smallJson(), { chat_template: templates });
    expect(chatty.chat([])).toBe("default");
  });
});
