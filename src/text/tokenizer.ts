/**
 * A tokenizer: text to the token ids that a model was trained on, and back. One implementation for all files: a vocabulary inside a GGUF
 * or a llama2.c `tokenizer.bin` is translated into a `tokenizer.json` first, which is also what a saved model folder needs.
 *
 * `@huggingface/tokenizers` normalizes, cuts and finds added tokens; around it stand what it does not do as the files mean it, or not
 * soon enough: cutting (`pre-tokenizer.ts`), merging (`byte-pairs.ts`), begin and end (`post-processor.ts`), bytes and streams
 * (`token-bytes.ts`).
 */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { inputError } from "../errors.ts";
import type { VocabularySource } from "../weights/checkpoint.ts";
import { bytePairs } from "./byte-pairs.ts";
import { type ChatMessage, type ChatOptions, renderChat } from "./chat.ts";
import { ggufVocabulary } from "./gguf-vocabulary.ts";
import { llama2cVocabulary } from "./llama2c-vocabulary.ts";
import { applyConfig, type Frame, frameOf } from "./post-processor.ts";
import { preTokenizerFor } from "./pre-tokenizer.ts";
import { stopTokens, tokenId, tokenText } from "./special-tokens.ts";
import { type TextStream, type TokenBytes, textStream, tokenBytes } from "./token-bytes.ts";
import {
  type CheckedTokenizer,
  checkTokenizer,
  isObject,
  type JsonObject,
  readTokenizerJson,
  type TokenizerParts,
  writeTokenizerJson,
} from "./tokenizer-json.ts";

export type { ChatMessage, ChatOptions } from "./chat.ts";
export type { TextStream } from "./token-bytes.ts";

export interface Tokenizer {
  /** Highest id + 1. A model may have more rows than that, as padding. */
  readonly vocabSize: number;
  readonly bos: number | undefined;
  /** End of text, end of turn: where generation stops. */
  readonly stops: readonly number[];
  /** Stands for a token that is to be predicted; undefined where the vocabulary has none. */
  readonly mask: number | undefined;
  /** Tokens that are no text: begin, end, padding, the mask. */
  readonly special: ReadonlySet<number>;
  /** The tokens that stand around every text: none, begin, end. */
  readonly frame: Frame;
  /**
   * Special tokens written in the text are read as such. `special` (default true) is whether the tokens that begin and end every
   * text of this model are put around it; a chat template writes them itself.
   */
  encode(text: string, options?: { readonly special?: boolean }): number[];
  /** `special` (default false): show special tokens too. Ids outside the vocabulary have no text. */
  decode(tokens: readonly number[], options?: { readonly special?: boolean }): string;
  /** Decodes token by token, without special tokens. What it gives, put together, is what `decode` gives. */
  stream(): TextStream;
  /** One token for display; bytes that are no whole character are shown as `<0xE2>`. */
  piece(token: number): string;
  readonly hasChat: boolean;
  /** The text of a conversation; encode it with `special: false`. @throws input errors `no-chat-template`, `chat-template`. */
  chat(messages: readonly ChatMessage[], options?: ChatOptions): string;
  /** What a saved Hugging Face folder needs. */
  files(): { "tokenizer.json": string; "tokenizer_config.json": string };
}

/** @throws input errors `tokenizer-…`, `gguf-…`, `llama2c-vocabulary`, `vocabulary-…`. */
export async function openTokenizer(source: VocabularySource): Promise<Tokenizer> {
  switch (source.kind) {
    case "huggingface":
      return new HuggingFaceTokenizer(readTokenizerJson(source.tokenizer), source.config);
    case "gguf": {
      const { tokenizer, config } = ggufVocabulary(source.metadata);
      return new HuggingFaceTokenizer(tokenizer, config);
    }
    case "llama2.c": {
      const { tokenizer, config } = llama2cVocabulary(source.bytes, source.vocabSize);
      return new HuggingFaceTokenizer(tokenizer, config);
    }
  }
}

class HuggingFaceTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bos: number | undefined;
  readonly stops: readonly number[];
  readonly mask: number | undefined;
  readonly special: ReadonlySet<number>;
  readonly frame: Frame;
  private readonly parts: TokenizerParts;
  private readonly config: JsonObject;
  private readonly library: Library;
  private readonly bytes: TokenBytes;
  private readonly template: string | undefined;

  constructor(parts: TokenizerParts, config: JsonObject) {
    const checked = checkTokenizer(parts);
    const frame = frameOf(checked);
    this.parts = parts;
    this.config = config;
    this.vocabSize = checked.pieces.size;
    this.special = new Set(checked.added.filter((token) => token.special).map((token) => token.id));
    this.bos = tokenId(checked, config, "bos_token") ?? frame.before[0];
    this.stops = stopTokens(checked, config);
    this.mask = tokenId(checked, config, "mask_token");
    this.frame = applyConfig(frame, config, this.bos, tokenId(checked, config, "eos_token"));
    this.bytes = tokenBytes(checked);
    this.library = openLibrary(checked);
    this.template = chatTemplate(config);
  }

  encode(text: string, { special = true }: { readonly special?: boolean } = {}): number[] {
    const { ids } = this.library.encode(text, { add_special_tokens: false });
    return special ? [...this.frame.before, ...ids, ...this.frame.after] : ids;
  }

  decode(tokens: readonly number[], { special = false }: { readonly special?: boolean } = {}): string {
    const stream = textStream(this.bytes, special ? new Set() : this.special);
    return tokens.map((token) => stream.push(token)).join("") + stream.end();
  }

  stream(): TextStream {
    return textStream(this.bytes, this.special);
  }

  piece(token: number): string {
    const bytes = this.bytes.of(token);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return Array.from(bytes, (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`).join("");
    }
  }

  get hasChat(): boolean {
    return this.template !== undefined;
  }

  chat(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    if (this.template === undefined) {
      throw inputError(
        "no-chat-template",
        "the model has no chat template, so it was probably not trained to hold a conversation",
        "Take the instruct or chat variant of the model, or use `run` with a plain prompt.",
      );
    }
    const bosToken = tokenText(this.config, "bos_token") ?? "";
    const eosToken = tokenText(this.config, "eos_token") ?? "";
    return renderChat(this.template, messages, { bosToken, eosToken }, options);
  }

  files(): { "tokenizer.json": string; "tokenizer_config.json": string } {
    return {
      "tokenizer.json": writeTokenizerJson(this.parts),
      "tokenizer_config.json": JSON.stringify(this.config, null, 2),
    };
  }
}

function openLibrary(checked: CheckedTokenizer): Library {
  const json = {
    ...checked.json,
    pre_tokenizer: preTokenizerFor(checked),
    // In its place comes ours.
    model: { type: "BPE", vocab: {}, merges: [] },
    // Both are done here.
    post_processor: null,
    decoder: null,
  };
  try {
    const library = new Library(json, {});
    library.model = bytePairs(checked.json.model as JsonObject, checked.pieces, checked.merges);
    return library;
  } catch (error) {
    // A type of normalizer or pre-tokenizer, or a regular expression, that the library does not know.
    throw inputError(
      "tokenizer-unsupported",
      `tokenizer.json: ${error instanceof Error ? error.message : String(error)}`,
      "Only the parts of the format that decoder models use can be read.",
    );
  }
}

/** A text, or a list of named ones of which "default" is meant. */
export function chatTemplate(config: JsonObject): string | undefined {
  const value = config.chat_template;
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const named = (value as unknown[]).filter(isObject);
  const template = (named.find((item) => item.name === "default") ?? named[0])?.template;
  return typeof template === "string" ? template : undefined;
}
