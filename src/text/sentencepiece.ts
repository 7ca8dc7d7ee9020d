/**
 * A SentencePiece vocabulary (pieces with scores) as a `tokenizer.json`. SentencePiece joins, again and again, the neighbors whose
 * union has the highest score, the leftmost first. Byte pair encoding does the same with a list of merges, so: every cut of a piece
 * into two pieces of the vocabulary is a merge, ordered by the score of the piece that it makes.
 *
 * The two differ only between equals (pieces of one score; several cuts of one piece), where SentencePiece takes the leftmost and
 * a list must order them: by score, then by id, then by the place of the cut. On Llama 2's vocabulary and stories260K's the test
 * finds no text for which that matters. Characters outside the vocabulary are spelled as bytes, `<0xE2>`.
 *
 * Sources: sentencepiece `bpe_model.cc`, llama2.c `run.c`, and what transformers makes of Llama's `tokenizer.model`.
 */
import { inputError } from "../errors.ts";
import { spaceMark } from "./pre-tokenizer.ts";
import { type JsonObject, maxVocabulary, quote } from "./tokenizer-json.ts";

export interface SentencePieces {
  /** For messages: the file or format. */
  readonly name: string;
  /** By id; a space is `▁`. */
  readonly pieces: readonly string[];
  /** By id; higher is merged earlier. */
  readonly scores: ArrayLike<number>;
  /** Pieces that no merge makes: control tokens, bytes. */
  readonly isolated: (id: number) => boolean;
  readonly special: readonly number[];
  /** Added tokens that are part of the text. */
  readonly userDefined: readonly number[];
  readonly unknown: number;
  /** Put a space before the text, so that its first word is like any other. */
  readonly spacePrefix: boolean;
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Cutting a piece in all places takes quadratic time; no vocabulary has longer ones. */
const maxPieceLength = 1024;

/** @throws input errors `vocabulary-size`, `vocabulary-piece`, `vocabulary-duplicate`, `vocabulary-score`. */
export function sentencePieceJson(source: SentencePieces): JsonObject {
  const { pieces, special, userDefined } = source;
  const idOf = uniqueIds(source.name, pieces);
  const mark = { String: spaceMark };
  const prefix = source.spacePrefix ? [{ type: "Prepend", prepend: spaceMark }] : [];
  const strip = source.spacePrefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : [];
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(pieces, special, userDefined),
    normalizer: {
      type: "Sequence",
      normalizers: [...prefix, { type: "Replace", pattern: { String: " " }, content: spaceMark }],
    },
    pre_tokenizer: null,
    post_processor: templateProcessing(pieces, source.before, source.after),
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: mark, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...strip,
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: pieces[source.unknown] ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(idOf),
      merges: deriveMerges(source, idOf),
    },
  };
}

/** @throws input errors `vocabulary-size`, `vocabulary-duplicate`. */
export function uniqueIds(name: string, pieces: readonly string[]): Map<string, number> {
  if (pieces.length === 0 || pieces.length > maxVocabulary) {
    throw inputError(
      "vocabulary-size",
      `${name}: a vocabulary of ${pieces.length} tokens; 1 to ${maxVocabulary} can be read`,
    );
  }
  const idOf = new Map<string, number>();
  pieces.forEach((piece, id) => {
    const other = idOf.get(piece);
    if (other !== undefined) {
      throw inputError(
        "vocabulary-duplicate",
        `${name}: the tokens ${other} and ${id} have the same text, ${quote(piece)}`,
        "Convert the model again, with a current version of the converter.",
      );
    }
    idOf.set(piece, id);
  });
  return idOf;
}

export function addedTokens(
  pieces: readonly string[],
  special: readonly number[],
  userDefined: readonly number[],
): readonly JsonObject[] {
  const isSpecial = new Set(special);
  return [...new Set([...special, ...userDefined])]
    .sort((a, b) => a - b)
    .map((id) => ({
      id,
      content: pieces[id],
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: isSpecial.has(id),
    }));
}

/** Tokens before and after every text; null where there are none. */
export function templateProcessing(
  pieces: readonly string[],
  before: readonly number[],
  after: readonly number[],
): JsonObject | null {
  const tokens = [...before, ...after];
  if (tokens.length === 0) return null;
  const item = (id: number) => ({ SpecialToken: { id: pieces[id], type_id: 0 } });
  const text = (id: string) => ({ Sequence: { id, type_id: 0 } });
  return {
    type: "TemplateProcessing",
    single: [...before.map(item), text("A"), ...after.map(item)],
    pair: [...before.map(item), text("A"), text("B"), ...after.map(item)],
    special_tokens: Object.fromEntries(
      tokens.map((id) => [pieces[id], { id: pieces[id], ids: [id], tokens: [pieces[id]] }]),
    ),
  };
}

function deriveMerges(source: SentencePieces, idOf: ReadonlyMap<string, number>): [string, string][] {
  const { pieces, scores } = source;
  const merged: number[] = [];
  for (let id = 0; id < pieces.length; id++) {
    if (source.isolated(id)) continue;
    if (Number.isNaN(scores[id] ?? Number.NaN)) {
      throw inputError("vocabulary-score", `${source.name}: the token ${id}, ${quote(pieces[id])}, has no score`);
    }
    if (pieces[id]!.length > maxPieceLength) {
      throw inputError(
        "vocabulary-piece",
        `${source.name}: the token ${id} is ${pieces[id]!.length} characters long; up to ${maxPieceLength} can be read`,
      );
    }
    merged.push(id);
  }
  merged.sort((a, b) => scores[b]! - scores[a]! || a - b);
  return merged.flatMap((id) => cuts(pieces[id]!, idOf));
}

function cuts(piece: string, idOf: ReadonlyMap<string, number>): [string, string][] {
  const found: [string, string][] = [];
  for (let at = 1; at < piece.length; at++) {
    const left = piece.slice(0, at);
    const right = piece.slice(at);
    if (idOf.has(left) && idOf.has(right)) found.push([left, right]);
  }
  return found;
}
