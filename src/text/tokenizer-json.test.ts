/** Broken and unsupported `tokenizer.json` files: each is refused when it is opened, with the place. */
import { describe, expect, it } from "vitest";
import { huggingFaceTokenizer, smallJson } from "./tokenizer.testing.ts";
import { isObject, type JsonObject, maxVocabulary } from "./tokenizer-json.ts";

function model(changes: JsonObject): JsonObject {
  const { model } = smallJson();
  if (!isObject(model)) throw new Error("the small tokenizer has no model");
  return smallJson({ model: { ...model, ...changes } });
}

const nested = (depth: number): JsonObject =>
  depth === 0 ? { type: "ByteLevel" } : { type: "Sequence", pretokenizers: [nested(depth - 1)] };

describe("a tokenizer.json that is broken", () => {
  it.each<[string, unknown, string]>([
    ["is no object", [], "the file should hold an object, it holds a list"],
    ["has no model", smallJson({ model: undefined }), '"model" should be an object, it is missing'],
    [
      "has a list as its vocabulary",
      model({ vocab: ["a"] }),
      '"model.vocab" should be an object from text to id, it is a list',
    ],
    ["has an empty vocabulary", model({ vocab: {} }), '"model.vocab" is empty'],
    ["has a text as an id", model({ vocab: { a: "0" } }), 'the token "a" has the id "0"'],
    ["has a fraction as an id", model({ vocab: { a: 0.5 } }), "an id is an integer from 0"],
    ["has a negative id", model({ vocab: { a: -1 } }), 'the token "a" has the id -1'],
    ["has a huge id", model({ vocab: { a: maxVocabulary } }), `an id is an integer from 0 to ${maxVocabulary - 1}`],
    ["gives an id twice", model({ vocab: { a: 0, b: 0 } }), 'two tokens have the id 0: "a" and "b"'],
    ["has no merges", model({ merges: undefined }), '"model.merges" should be a list, it is missing'],
    ["has a merge of one", model({ merges: ["ab"] }), 'merge 0 should be two tokens, it is "ab"'],
    ["has a merge of three", model({ merges: ["a b", ["a", "b", "a"]] }), "merge 1 should be two tokens"],
    [
      "merges what it does not have",
      model({ merges: ["a z"] }),
      'merge 0, ["a","z"], joins what is not in the vocabulary',
    ],
    ["makes what it does not have", model({ merges: ["b a"] }), 'merge 0 makes "ba", which is not in the vocabulary'],
    ["adds tokens as an object", smallJson({ added_tokens: {} }), '"added_tokens" should be a list'],
    ["adds a token without a text", smallJson({ added_tokens: [{ id: 9 }] }), "added token 0 has no text"],
    [
      "adds a token without an id",
      smallJson({ added_tokens: [{ content: "x" }] }),
      'the token "x" has the id undefined',
    ],
    ["has a text as a normalizer", smallJson({ normalizer: "NFC" }), '"normalizer" should be an object or null'],
    ["has no decoder", smallJson({ decoder: null }), '"decoder" should be an object, it is null'],
    [
      "has a decoder sequence without a list",
      smallJson({ decoder: { type: "Sequence" } }),
      'should have a list, "decoders"',
    ],
    [
      "has a pre-tokenizer sequence without a list",
      smallJson({ pre_tokenizer: { type: "Sequence" } }),
      '"pretokenizers"',
    ],
    [
      "has a number in a pre-tokenizer sequence",
      smallJson({ pre_tokenizer: { type: "Sequence", pretokenizers: [1] } }),
      "it is 1",
    ],
    ["nests pre-tokenizers", smallJson({ pre_tokenizer: nested(40) }), "more than 16 deep"],
    ["splits without a pattern", smallJson({ pre_tokenizer: { type: "Split" } }), "a Split has the pattern undefined"],
    [
      "has a template without a list",
      smallJson({ post_processor: { type: "TemplateProcessing" } }),
      'a list, "single"',
    ],
    [
      "has a template without a text",
      smallJson({ post_processor: { type: "TemplateProcessing", single: [] } }),
      "no place for the text",
    ],
    [
      "has a template with an unknown token",
      smallJson({ post_processor: { type: "TemplateProcessing", single: [{ SpecialToken: { id: "<s>" } }] } }),
      'the post-processor adds "<s>", which is not in the vocabulary',
    ],
    [
      "has a template item that is no object",
      smallJson({ post_processor: { type: "TemplateProcessing", single: [1] } }),
      "the item 1",
    ],
    ["has a processor sequence without a list", smallJson({ post_processor: { type: "Sequence" } }), '"processors"'],
    [
      "has a number as a processor",
      smallJson({ post_processor: { type: "Sequence", processors: [3] } }),
      "post-processor 3 is not an object",
    ],
  ])("%s", async (_, json, message) => {
    await expect(huggingFaceTokenizer(json as JsonObject)).rejects.toMatchObject({
      kind: "input",
      code: "tokenizer-shape",
      message: expect.stringContaining(message),
    });
  });
});

describe("a tokenizer.json that is not supported", () => {
  it.each<[string, JsonObject, string, string]>([
    ["WordPiece", model({ type: "WordPiece" }), "tokenizer-model", '"WordPiece"; only BPE is supported'],
    ["Unigram", model({ type: "Unigram" }), "tokenizer-model", '"Unigram"; only BPE is supported'],
    ["no type and no merges", smallJson({ model: { vocab: { a: 0 } } }), "tokenizer-model", "without a type"],
    [
      "a prefix inside words",
      model({ continuing_subword_prefix: "##" }),
      "tokenizer-model",
      "continuing_subword_prefix",
    ],
    ["a suffix of words", model({ end_of_word_suffix: "</w>" }), "tokenizer-model", "end_of_word_suffix"],
    ["an unknown normalizer", smallJson({ normalizer: { type: "Rot13" } }), "tokenizer-unsupported", "Rot13"],
    [
      "an unknown pre-tokenizer",
      smallJson({ pre_tokenizer: { type: "Scissors" } }),
      "tokenizer-unsupported",
      "Scissors",
    ],
    ["an unknown post-processor", smallJson({ post_processor: { type: "Wrap" } }), "tokenizer-unsupported", "Wrap"],
    ["an unknown decoder", smallJson({ decoder: { type: "WordPiece" } }), "tokenizer-unsupported", "WordPiece"],
    [
      "a Strip of every token",
      smallJson({ decoder: { type: "Strip", content: " ", start: 1, stop: 0 } }),
      "tokenizer-unsupported",
      "Strip",
    ],
    [
      "a Replace by a regular expression",
      smallJson({ decoder: { type: "Replace", pattern: { Regex: "a" }, content: "" } }),
      "tokenizer-unsupported",
      "Replace",
    ],
    [
      "an unknown way to split",
      smallJson({ pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithNext" } }),
      "tokenizer-unsupported",
      "MergedWithNext",
    ],
    [
      "a regular expression that cannot be read",
      smallJson({ pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" } }),
      "tokenizer-unsupported",
      "(",
    ],
  ])("has %s", async (_, json, code, message) => {
    await expect(huggingFaceTokenizer(json)).rejects.toMatchObject({
      kind: "input",
      code,
      message: expect.stringContaining(message),
    });
  });
});
