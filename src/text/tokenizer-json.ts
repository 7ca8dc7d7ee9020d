/**
 * The shape of a Hugging Face `tokenizer.json`, checked: what the rest of this folder may rely on, whoever wrote the file.
 * Only byte pair encoding is read (GPT-2, Llama, SmolLM, Qwen, Mistral all use it); WordPiece, Unigram and WordLevel are refused
 * by name. Nothing is tokenized here. Format: the `tokenizers` library, which writes these files.
 */
import { inputError, type RefrainError } from "../errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Not part of the text that a person reads: begin, end, roles. */
  readonly special: boolean;
}

export interface CheckedTokenizer {
  /** The file as given, with the keys that older versions leave out. */
  readonly json: JsonObject;
  /** Text of each token by id, added tokens included; an id that no token has is a hole. */
  readonly pieces: readonly (string | undefined)[];
  readonly idOf: ReadonlyMap<string, number>;
  readonly added: readonly AddedToken[];
  readonly merges: readonly (readonly [string, string])[];
}

/** Above every known vocabulary (Gemma 3: 262,144), and small enough for a table by id. */
export const maxVocabulary = 1 << 21;

/** @throws input errors `tokenizer-shape` (not what the format says), `tokenizer-model` (another kind of model). */
export function checkTokenizerJson(json: JsonObject): CheckedTokenizer {
  if (!isObject(json)) throw shapeError(`the file should hold an object, it holds ${describe(json)}`);
  const model = json.model;
  if (!isObject(model)) throw shapeError(`"model" should be an object, it is ${describe(model)}`);
  checkModelType(model);
  const idOf = readVocabulary(model.vocab);
  const pieces: (string | undefined)[] = [];
  for (const [text, id] of idOf) {
    if (pieces[id] !== undefined) {
      throw shapeError(`two tokens have the id ${id}: ${quote(pieces[id])} and ${quote(text)}`);
    }
    pieces[id] = text;
  }
  const merges = readMerges(model.merges, idOf);
  const added = readAdded(json.added_tokens);
  for (const { id, content } of added) {
    pieces[id] = content;
    idOf.set(content, id);
  }
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
    model: { ...model, type: "BPE" },
  };
  return { json: complete, pieces, idOf, added, merges };
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

function readVocabulary(vocab: unknown): Map<string, number> {
  if (!isObject(vocab)) throw shapeError(`"model.vocab" should be an object from text to id, it is ${describe(vocab)}`);
  const idOf = new Map<string, number>();
  for (const [text, id] of Object.entries(vocab)) idOf.set(text, checkId(id, text));
  if (idOf.size === 0) throw shapeError(`"model.vocab" is empty`);
  return idOf;
}

function readMerges(merges: unknown, idOf: ReadonlyMap<string, number>): (readonly [string, string])[] {
  if (!Array.isArray(merges)) throw shapeError(`"model.merges" should be a list, it is ${describe(merges)}`);
  return merges.map((merge: unknown, index) => {
    const pair: unknown = typeof merge === "string" ? merge.split(" ") : merge;
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw shapeError(`merge ${index} should be two tokens, it is ${quote(merge)}`);
    }
    const [left, right] = pair as readonly unknown[];
    if (typeof left !== "string" || typeof right !== "string" || !idOf.has(left) || !idOf.has(right)) {
      throw shapeError(`merge ${index}, ${quote(pair)}, joins what is not in the vocabulary`);
    }
    if (!idOf.has(left + right)) {
      throw shapeError(`merge ${index} makes ${quote(left + right)}, which is not in the vocabulary`);
    }
    // The pair of the file itself where there is one: 50,000 copies would be megabytes.
    return pair as [string, string];
  });
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
