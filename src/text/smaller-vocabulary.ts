/**
 * A tokenizer with fewer tokens. Which stay is chosen by how often each stands in a text; with each stay the tokens that byte pair
 * encoding makes it of on the way, and whatever is no merge of others: characters, bytes, special tokens. So every text can
 * still be written, and one whose tokens all stay is the same tokens as before (`src/text/smaller-vocabulary.test.ts`); any other
 * token falls apart into smaller ones.
 */
import type { VocabularySource } from "../weights/checkpoint.ts";
import { TextList } from "../weights/text-list.ts";
import { Merges } from "./merges.ts";
import { Pieces } from "./pieces.ts";
import type { Tokenizer } from "./tokenizer.ts";
import {
  type CheckedTokenizer,
  checkTokenizer,
  isObject,
  type JsonObject,
  readTokenizerJson,
  writeTokenizerJson,
} from "./tokenizer-json.ts";

export interface VocabularyChoice {
  /** Ids that stay, ascending: the new id of a token is its place here. */
  readonly kept: readonly number[];
  readonly vocabulary: Extract<VocabularySource, { kind: "huggingface" }>;
}

/** The smaller vocabularies of one tokenizer. */
export interface SmallerVocabulary {
  /** Tokens that no choice leaves out. */
  readonly least: number;
  /** At most `size` tokens, at least `least`; `counts`: how often each token stands in a text. */
  readonly choose: (counts: ReadonlyMap<number, number>, size: number) => VocabularyChoice;
}

/** Reads the tokenizer's files once, for as many choices as are wanted. */
export function smallerVocabulary(tokenizer: Pick<Tokenizer, "files">): SmallerVocabulary {
  const files = tokenizer.files();
  const parts = readTokenizerJson(JSON.parse(files["tokenizer.json"]) as JsonObject);
  const config = JSON.parse(files["tokenizer_config.json"]) as JsonObject;
  const checked = checkTokenizer(parts);
  const indivisible = withoutMerge(checked);
  return {
    least: indivisible.size,
    choose: (counts, size) => {
      const kept = mostWanted(checked, indivisible, counts, size);
      return { kept, vocabulary: { kind: "huggingface", ...renumbered(checked, config, kept) } };
    },
  };
}

function withoutMerge({ pieces, merges, added }: CheckedTokenizer): ReadonlySet<number> {
  const joined = new Set(Array.from(merges.joined));
  return new Set([...Array.from(pieces.ids()).filter((id) => !joined.has(id)), ...added.map(({ id }) => id)]);
}

/** By count; of tokens that the text has as often, those with lower ids, which merged first where the tokenizer was trained. */
function mostWanted(
  { pieces, merges }: CheckedTokenizer,
  indivisible: ReadonlySet<number>,
  counts: ReadonlyMap<number, number>,
  size: number,
): number[] {
  const count = (id: number) => counts.get(id) ?? 0;
  const wanted = Array.from(pieces.ids()).sort((a, b) => count(b) - count(a) || a - b);
  const kept = new Set(indivisible);
  for (const id of wanted) {
    if (kept.size >= size) break;
    if (kept.has(id)) continue;
    const missing = new Set([...madeOf(id, pieces, merges), id].filter((part) => !kept.has(part)));
    if (kept.size + missing.size <= size) for (const part of missing) kept.add(part);
  }
  return [...kept].sort((a, b) => a - b);
}

/**
 * What the merges join, one after the other, while a text turns into this token. A merge within a token does not depend on what
 * stands around it: none reaches across its ends, or it would not have become this token.
 */
function madeOf(id: number, pieces: Pieces, merges: Merges): number[] {
  const ids = Array.from(pieces.texts.text(id), (character) => pieces.baseId(character));
  const made: number[] = [];
  for (;;) {
    const ranks = ids.slice(1).map((right, i) => merges.rank(ids[i]!, right));
    const least = ranks.reduce((best, rank, i) => (rank >= 0 && (best < 0 || rank < ranks[best]!) ? i : best), -1);
    if (least < 0) return made;
    const joined = merges.joined[ranks[least]!]!;
    ids.splice(least, 2, joined);
    made.push(joined);
  }
}

/** Every id that the two files name, by its place in `kept`. */
function renumbered(
  { json, pieces, merges }: CheckedTokenizer,
  config: JsonObject,
  kept: readonly number[],
): { tokenizer: JsonObject; config: JsonObject } {
  const places = new Map(kept.map((id, place) => [id, place]));
  const place = (id: unknown) => places.get(id as number) ?? id;
  const base = new Set(pieces.ids());
  const holes = new Set(kept.flatMap((id, i) => (base.has(id) ? [] : [i])));
  const texts = kept.map((id) => (base.has(id) ? pieces.texts.text(id) : ""));
  const ranks = Array.from({ length: merges.length }, (_, rank) => rank).filter((rank) =>
    [merges.left, merges.right, merges.joined].every((ids) => places.has(ids[rank]!)),
  );
  const [left, right, joined] = [merges.left, merges.right, merges.joined].map((ids) =>
    ranks.map((rank) => places.get(ids[rank]!)!),
  );
  const smaller = {
    json: {
      ...json,
      added_tokens: (json.added_tokens as readonly JsonObject[]).map((token) => ({ ...token, id: place(token.id) })),
      post_processor: inProcessor(json.post_processor, place),
    },
    pieces: new Pieces("tokenizer.json", TextList.of(texts), holes),
    merges: new Merges(left!, right!, joined!),
  };
  const decoder = config.added_tokens_decoder;
  return {
    tokenizer: JSON.parse(writeTokenizerJson(smaller)) as JsonObject,
    config: isObject(decoder)
      ? {
          ...config,
          added_tokens_decoder: Object.fromEntries(
            Object.entries(decoder).map(([id, token]) => [String(place(Number(id))), token]),
          ),
        }
      : config,
  };
}

/** Post-processors name tokens by text and, besides, by id: `ids` of special tokens, and pairs such as ["</s>", 2]. */
function inProcessor(part: unknown, place: (id: unknown) => unknown): unknown {
  if (Array.isArray(part)) {
    const [text, id, ...rest] = part as unknown[];
    if (typeof text === "string" && typeof id === "number" && rest.length === 0) return [text, place(id)];
    return part.map((item) => inProcessor(item, place));
  }
  if (!isObject(part)) return part;
  return Object.fromEntries(
    Object.entries(part).map(([key, value]) => [
      key,
      key === "ids" && Array.isArray(value) ? value.map(place) : inProcessor(value, place),
    ]),
  );
}
