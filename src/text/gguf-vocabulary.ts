/**
 * The vocabulary inside a GGUF file, as a `tokenizer.json`: "gpt2" is byte-level BPE with its merges, "llama" is SentencePiece with
 * scores. Other kinds (WordPiece, Unigram, RWKV) are refused by name. Keys and defaults: ggml `docs/gguf.md` and llama.cpp's
 * `llama-vocab.cpp`.
 */
import { inputError } from "../errors.ts";
import { TextList } from "../weights/text-list.ts";
import { ggufPreTokenizers } from "./gguf-pre-tokenizers.ts";
import { mergesOfTexts } from "./merges.ts";
import { Pieces } from "./pieces.ts";
import { inSequence, isolate } from "./pre-tokenizer.ts";
import { addedTokens, sentencePieces, templateProcessing } from "./sentencepiece.ts";
import type { JsonObject, TokenizerParts } from "./tokenizer-json.ts";

/** `tokenizer.ggml.token_type`. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

type Metadata = ReadonlyMap<string, unknown>;

/** What both kinds of vocabulary share. */
interface Common {
  readonly pieces: Pieces;
  readonly typeOf: (id: number) => number;
  readonly special: readonly number[];
  readonly userDefined: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** @throws input errors `gguf-vocabulary`, `gguf-tokenizer-model`, `gguf-pre-tokenizer`, `vocabulary-…`. */
export function ggufVocabulary(metadata: Metadata): { tokenizer: TokenizerParts; config: JsonObject } {
  const model = metadata.get("tokenizer.ggml.model");
  if (model !== "gpt2" && model !== "llama") {
    throw inputError(
      "gguf-tokenizer-model",
      `the GGUF has a tokenizer of the kind ${JSON.stringify(model) ?? "none"}; "gpt2" (byte-level BPE) and "llama" (SentencePiece) can be read`,
      "Take a decoder model such as Llama, SmolLM, Qwen or GPT-2.",
    );
  }
  const common = readCommon(metadata, model === "llama");
  const tokenizer = model === "llama" ? sentencePiece(metadata, common) : bytePairs(metadata, common);
  return { tokenizer, config: tokenizerConfig(metadata, common, model === "llama") };
}

function readCommon(metadata: Metadata, isLlama: boolean): Common {
  const tokens = texts(metadata, "tokenizer.ggml.tokens");
  const types = tokens.length === 0 ? undefined : numbers(metadata, "tokenizer.ggml.token_type", tokens.length);
  const pieces = new Pieces("the GGUF", named(tokens), fillers(tokens, types));
  const typeOf = (id: number): number => types?.[id] ?? tokenTypes.normal;
  const ids = [...pieces.ids()];
  const { bos, eos } = ends(metadata, pieces.size, isLlama);
  return {
    pieces,
    typeOf,
    special: ids.filter((id) => typeOf(id) === tokenTypes.control || typeOf(id) === tokenTypes.unknown),
    userDefined: ids.filter((id) => typeOf(id) === tokenTypes.userDefined),
    before: bos !== undefined && flag(metadata, "add_bos_token", isLlama) ? [bos] : [],
    after: eos !== undefined && flag(metadata, "add_eos_token", false) ? [eos] : [],
  };
}

function sentencePiece(metadata: Metadata, common: Common): TokenizerParts {
  const scores = numbers(metadata, "tokenizer.ggml.scores", common.pieces.size);
  if (scores === undefined) throw missing("tokenizer.ggml.scores", "a score for each token");
  return sentencePieces({
    name: "the GGUF",
    ...common,
    scores,
    isolated: (id) => common.typeOf(id) !== tokenTypes.normal,
    unknown: tokenOf(metadata, "unknown", common.pieces.size) ?? 0,
    spacePrefix: flag(metadata, "add_space_prefix", true),
  });
}

function bytePairs(metadata: Metadata, common: Common): TokenizerParts {
  const pre = metadata.get("tokenizer.ggml.pre") ?? "default";
  const rule = ggufPreTokenizers.get(String(pre));
  if (rule === undefined) {
    throw inputError(
      "gguf-pre-tokenizer",
      `the GGUF says tokenizer.ggml.pre = ${JSON.stringify(pre)}, a rule that is not known here; known are ${[...ggufPreTokenizers.keys()].join(", ")}`,
      "Take the model's Hugging Face folder: its tokenizer.json states the rule itself.",
    );
  }
  const json = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(common.pieces, common.special, common.userDefined),
    normalizer: rule.normalizer === undefined ? null : { type: rule.normalizer },
    pre_tokenizer: inSequence(...rule.regexes.map(isolate), {
      type: "ByteLevel",
      add_prefix_space: false,
      trim_offsets: true,
      use_regex: false,
    }),
    post_processor: templateProcessing(common.pieces, common.before, common.after),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: rule.ignoreMerges ?? false,
    },
  };
  return {
    json,
    pieces: common.pieces,
    merges: mergesOfTexts(texts(metadata, "tokenizer.ggml.merges"), common.pieces),
  };
}

function tokenizerConfig(metadata: Metadata, { pieces }: Common, isLlama: boolean): JsonObject {
  const { bos, eos } = ends(metadata, pieces.size, isLlama);
  const text = (key: string, id: number | undefined) => (id === undefined ? {} : { [key]: pieces.text(id) });
  const template = metadata.get("tokenizer.chat_template");
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    ...text("bos_token", bos),
    ...text("eos_token", eos),
    ...text("unk_token", tokenOf(metadata, "unknown", pieces.size)),
    ...text("eot_token", tokenOf(metadata, "eot", pieces.size)),
    ...text("eom_token", tokenOf(metadata, "eom", pieces.size)),
    clean_up_tokenization_spaces: false,
    ...(typeof template === "string" ? { chat_template: template } : {}),
  };
}

/** A SentencePiece vocabulary that does not say so has them at 1 and 2. */
function ends(
  metadata: Metadata,
  count: number,
  isLlama: boolean,
): { bos: number | undefined; eos: number | undefined } {
  return {
    bos: tokenOf(metadata, "bos", count) ?? (isLlama && count > 2 ? 1 : undefined),
    eos: tokenOf(metadata, "eos", count) ?? (isLlama && count > 2 ? 2 : undefined),
  };
}

function tokenOf(metadata: Metadata, role: string, count: number): number | undefined {
  const key = `tokenizer.ggml.${role}_token_id`;
  const id = metadata.get(key);
  if (id === undefined) return undefined;
  if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < count) return id;
  throw inputError("gguf-vocabulary", `the GGUF says ${key} = ${String(id)}; its vocabulary has ${count} tokens`);
}

function flag(metadata: Metadata, name: string, otherwise: boolean): boolean {
  const value = metadata.get(`tokenizer.ggml.${name}`);
  return typeof value === "boolean" ? value : otherwise;
}

function texts(metadata: Metadata, key: string): TextList {
  const value = metadata.get(key);
  if (value instanceof TextList) return value;
  throw missing(key, "a list of texts");
}

/** Tokens without a text get one, as in llama.cpp. */
function named(tokens: TextList): TextList {
  const isEmpty = tokens.ends.some((end, id) => end === tokens.begin(id));
  return isEmpty ? TextList.of(tokens.toArray().map((text, id) => (text === "" ? `[EMPTY_${id}]` : text))) : tokens;
}

/** What converters put where the embedding has a row and the vocabulary no token; llama.cpp shows nothing for them either. */
function fillers(tokens: TextList, types: ArrayLike<number> | undefined): ReadonlySet<number> {
  const ids = tokens.ends.length;
  const unused = Array.from({ length: types ? ids : 0 }, (_, id) => id).filter(
    (id) => types![id] === tokenTypes.unused,
  );
  return new Set(unused.filter((id) => /^\[PAD\d+\]$/.test(tokens.text(id))));
}

function numbers(metadata: Metadata, key: string, count: number): ArrayLike<number> | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value) && !ArrayBuffer.isView(value)) throw missing(key, "a list of numbers");
  const list = value as unknown as ArrayLike<number>;
  if (list.length === count) return list;
  throw inputError("gguf-vocabulary", `the GGUF has ${list.length} values of ${key} for ${count} tokens`);
}

function missing(key: string, expected: string): Error {
  return inputError("gguf-vocabulary", `the GGUF should have ${expected} under ${key}`, "Convert the model again.");
}
