import { describe, expect, it } from "vitest";
import { TextList } from "../weights/text-list.ts";
import { openTokenizer } from "./tokenizer.ts";

const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === "string");

/** Keys without `tokenizer.ggml.`. */
function open(keys: Readonly<Record<string, unknown>>) {
  const named = Object.entries(keys)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [key, isTexts(value) ? TextList.of(value) : value] as const);
  return openTokenizer({
    kind: "gguf",
    metadata: new Map(
      named.map(([key, value]) => [key === "chat_template" ? `tokenizer.${key}` : `tokenizer.ggml.${key}`, value]),
    ),
  });
}

const bytePairs = {
  model: "gpt2",
  pre: "gpt-2",
  tokens: ["a", "b", "ab", "<|im_end|>", "<note>", ""],
  token_type: Int32Array.of(1, 1, 1, 3, 4, 5),
  merges: ["a b"],
};

const sentencePiece = {
  model: "llama",
  tokens: ["<unk>", "<s>", "</s>", "▁", "a", "b", "▁a", "ab", "<0x0A>"],
  scores: Float32Array.of(0, 0, 0, -9, -9, -9, -1, -2, 0),
  token_type: Int32Array.of(2, 3, 3, 1, 1, 1, 1, 1, 6),
};

describe("a byte-level vocabulary in a GGUF", () => {
  it("is BPE with special and added tokens, without a begin token unless it says so", async () => {
    const tokenizer = await open({ ...bytePairs, eos_token_id: 3 });
    expect(tokenizer.encode("abb<|im_end|><note>")).toEqual([2, 1, 3, 4]);
    expect(tokenizer.decode([2, 3, 4])).toBe("ab<note>");
    expect(tokenizer.piece(5)).toBe("[EMPTY_5]");
    expect(tokenizer).toMatchObject({ bos: undefined, stops: [3], vocabSize: 6 });
    const framed = { bos_token_id: 3, add_bos_token: true, eos_token_id: 3, add_eos_token: true };
    expect((await open({ ...bytePairs, ...framed })).encode("ab")).toEqual([3, 2, 3]);
  });

  it("stops at the ends of turns that it names, and has its chat template", async () => {
    const tokenizer = await open({
      ...bytePairs,
      eos_token_id: 0,
      eot_token_id: 1,
      eom_token_id: 2,
      chat_template: "hi",
    });
    expect(tokenizer.stops).toEqual([0, 1, 2, 3]);
    expect(tokenizer.chat([])).toBe("hi");
  });

  it("cuts digits as its rule says", async () => {
    const digits = {
      ...bytePairs,
      tokens: ["1", "2", "12", "3", "123", "Ġ"],
      token_type: undefined,
      merges: ["1 2", "12 3"],
    };
    expect((await open({ ...digits, pre: "gpt-2" })).encode("123123")).toEqual([4, 4]);
    expect((await open({ ...digits, pre: "smollm" })).encode("123")).toEqual([0, 1, 3]);
    expect((await open({ ...digits, pre: "qwen2" })).encode("123")).toEqual([0, 1, 3]);
    expect((await open({ ...digits, pre: "llama-bpe" })).encode("12312")).toEqual([4, 2]);
  });
});

describe("a SentencePiece vocabulary in a GGUF", () => {
  it("merges by score, begins with token 1 and a space, and falls back to the unknown token", async () => {
    const tokenizer = await open(sentencePiece);
    expect(tokenizer.encode("ab")).toEqual([1, 6, 5]);
    expect(tokenizer.encode("c")).toEqual([1, 3, 0]);
    expect(tokenizer.decode([1, 6, 5, 8])).toBe("ab\n");
    expect(tokenizer).toMatchObject({ bos: 1, stops: [2] });
  });

  it("obeys add_space_prefix and add_bos_token", async () => {
    const tokenizer = await open({ ...sentencePiece, add_space_prefix: false, add_bos_token: false });
    expect(tokenizer.encode("ab")).toEqual([7]);
    expect(tokenizer.decode([6, 5])).toBe(" ab");
  });
});

describe("a vocabulary in a GGUF that cannot be read", () => {
  it.each<[string, Readonly<Record<string, unknown>>, string, string]>([
    ["no kind", { model: undefined }, "gguf-tokenizer-model", "of the kind none"],
    ["WordPiece", { model: "bert" }, "gguf-tokenizer-model", 'of the kind "bert"'],
    ["an unknown rule", { pre: "klingon" }, "gguf-pre-tokenizer", 'tokenizer.ggml.pre = "klingon"'],
    ["no tokens", { tokens: undefined }, "gguf-vocabulary", "a list of texts under tokenizer.ggml.tokens"],
    ["tokens that are numbers", { tokens: [1, 2] }, "gguf-vocabulary", "a list of texts under tokenizer.ggml.tokens"],
    ["an empty vocabulary", { tokens: [], token_type: [] }, "vocabulary-size", "a vocabulary of 0 tokens"],
    ["too few types", { token_type: [1] }, "gguf-vocabulary", "1 values of tokenizer.ggml.token_type for 6 tokens"],
    [
      "a text as the types",
      { token_type: "1" },
      "gguf-vocabulary",
      "a list of numbers under tokenizer.ggml.token_type",
    ],
    ["no merges", { merges: undefined }, "gguf-vocabulary", "tokenizer.ggml.merges"],
    ["a merge of one", { merges: ["ab"] }, "tokenizer-shape", "merge 0 should be two tokens"],
    ["a token twice", { tokens: ["a", "b", "ab", "ab", "c", "d"] }, "vocabulary-duplicate", "the tokens 2 and 3"],
    [
      "an end outside the vocabulary",
      { eos_token_id: 6 },
      "gguf-vocabulary",
      "eos_token_id = 6; its vocabulary has 6 tokens",
    ],
    ["a text as an id", { bos_token_id: "a" }, "gguf-vocabulary", "bos_token_id = a"],
  ])("has %s", async (_, changes, code, message) => {
    await expect(open({ ...bytePairs, ...changes })).rejects.toMatchObject({
      kind: "input",
      code,
      message: expect.stringContaining(message),
    });
  });

  it("has no scores", async () => {
    await expect(open({ ...sentencePiece, scores: undefined })).rejects.toThrow("a score for each token");
  });
});
