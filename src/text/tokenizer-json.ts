/**
 * The shape of a Hugging Face `tokenizer.json`, checked: what the rest of this folder may rely on, whoever wrote the file.
 * Only byte pair encoding is read (GPT-2, Llama, SmolLM, Qwen, Mistral all use it); WordPiece, Unigram and WordLevel are refused
 * by name. Nothing is tokenized here. Format: the `tokenizers` library, which writes these files.
 */
import { inputError, type RefrainError } from "../errors.ts";
import { TextList } from "../weights/text-list.ts";
import { type Merges, mergesOfPairs, mergesOfTexts } from "./merges.ts";
import { Pieces } from "./pieces.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Not part of the text that a person reads: begin, end, roles. */
  readonly special: boolean;
}

/** A tokenizer as its file has it, the vocabulary in a form of its own. */
export interface TokenizerParts {
  /** A `tokenizer.json` without `model.vocab` and `model.merges`. */
  readonly json: JsonObject;
  readonly pieces: Pieces;
  readonly merges: Merges;
}

export interface CheckedTokenizer extends TokenizerParts {
  readonly added: readonly AddedToken[];
}

/** Above every known vocabulary (Gemma 3: 262,144), and small enough for a table by id. */
export const maxVocabulary = 1 << 21;

/** A `tokenizer.json`, taken apart. @throws input errors `tokenizer-shape` (not what the format says), `tokenizer-model` (another kind of model). */
export function readTokenizerJson(json: JsonObject): TokenizerParts {
  if (!isObject(json)) throw shapeError(`the file should hold an object, it holds ${describe(json)}`);
  if (!isObject(json.model)) throw shapeError(`"model" should be an object, it is ${describe(json.model)}`);
  checkModelType(json.model);
  const { vocab, merges: list, ...model } = json.model;
  const pieces = readVocabulary(vocab);
  return { json: { ...json, model }, pieces, merges: readMerges(list, pieces) };
}

/**
 * Completes the parts with the keys that older files leave out, and adds the added tokens to the pieces.
 * @throws input error `tokenizer-shape`.
 */
export function checkTokenizer({ json, pieces, merges }: TokenizerParts): CheckedTokenizer {
  const added = readAdded(json.added_tokens);
  for (const { id, content } of added) pieces.add(id, content);
  for (const key of ["normalizer", "pre_tokenizer", "post_processor", "decoder"]) {
    const part = json[key] ?? null;
    if (part !== null && !isObject(part)) {
      throw shapeError(`${quote(key)} should be an object or null, it is ${describe(part)}`);
    }
  }
  const complete = {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...json,
  };
  return { json: complete, pieces, added, merges };
}

/** The parts as the text of a `tokenizer.json`. Merges are "a b", which every reader knows, unless a part has a space itself. */
export function writeTokenizerJson({ json, pieces, merges: { length, left, right } }: TokenizerParts): string {
  const text = (id: number) => pieces.texts.text(id);
  const vocab = Object.fromEntries(Array.from(pieces.ids(), (id) => [text(id), id]));
  const pairs = Array.from({ length }, (_, rank) => [text(left[rank]!), text(right[rank]!)]);
  const merges = pairs.flat().some((part) => part.includes(" ")) ? pairs : pairs.map((pair) => pair.join(" "));
  return JSON.stringify({ ...json, model: { ...(json.model as JsonObject), vocab, merges } });
}

function checkModelType(model: JsonObject): void {
  // Files written before 2023 (GPT-2's own on the hub) name no type; only BPE has merges.
  const type = model.type ?? ("merges" in model ? "BPE" : undefined);
  if (type !== "BPE") {
    const named = typeof type === "string" ? type : "without a type";
    throw inputError(
      "tokenizer-model",
      `tokenizer.json: a tokenizer model ${quote(named)}; only BPE is supported`,
      "Refrain reads the tokenizers of decoder models (GPT-2, Llama, SmolLM, Qwen, Mistral); take such a model.",
    );
  }
  for (const key of ["continuing_subword_prefix", "end_of_word_suffix"]) {
    if ((model[key] ?? "") !== "") {
      throw inputError(
        "tokenizer-model",
        `tokenizer.json: BPE with ${quote(key)} ${quote(model[key])} is not supported`,
      );
    }
  }
}

function readVocabulary(vocab: unknown): Pieces {
  if (!isObject(vocab)) throw shapeError(`"model.vocab" should be an object from text to id, it is ${describe(vocab)}`);
  const texts: string[] = [];
  for (const [text, value] of Object.entries(vocab)) {
    const id = checkId(value, text);
    if (texts[id] !== undefined) {
      throw shapeError(`two tokens have the id ${id}: ${quote(texts[id])} and ${quote(text)}`);
    }
    texts[id] = text;
  }
  if (texts.length === 0) throw shapeError(`"model.vocab" is empty`);
  const holes = new Set<number>();
  for (let id = 0; id < texts.length; id++) {
    if (texts[id] !== undefined) continue;
    holes.add(id);
    texts[id] = "";
  }
  return new Pieces("tokenizer.json", TextList.of(texts), holes);
}

function readMerges(merges: unknown, pieces: Pieces): Merges {
  if (!Array.isArray(merges)) throw shapeError(`"model.merges" should be a list, it is ${describe(merges)}`);
  if (merges.every((merge) => typeof merge === "string")) return mergesOfTexts(TextList.of(merges), pieces);
  return mergesOfPairs(
    merges.map((merge) => (typeof merge === "string" ? merge.split(" ") : merge)),
    pieces,
  );
}

function readAdded(added: unknown): AddedToken[] {
  if (added === undefined) return [];
  if (!Array.isArray(added)) throw shapeError(`"added_tokens" should be a list, it is ${describe(added)}`);
  return added.map((token: unknown, index) => {
    if (!isObject(token) || typeof token.content !== "string" || token.content === "") {
      throw shapeError(`added token ${index} has no text`);
    }
    return { id: checkId(token.id, token.content), content: token.content, special: token.special === true };
  });
}

function checkId(id: unknown, text: string): number {
  if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < maxVocabulary) return id as number;
  throw shapeError(
    `the token ${quote(text)} has the id ${quote(id)}; an id is an integer from 0 to ${maxVocabulary - 1}`,
  );
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function shapeError(what: string): RefrainError {
  return inputError(
    "tokenizer-shape",
    `tokenizer.json: ${what}`,
    "Take the file again from where the model came from.",
  );
}

/** For messages: what stands in the file, kept short. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function describe(value: unknown): string {
  if (value === undefined) return "missing";
  return Array.isArray(value) ? "a list" : quote(value);
}
