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
import { Merges } from "./merges.ts";
import { hashBytes, type Pieces } from "./pieces.ts";
import { spaceMark } from "./pre-tokenizer.ts";
import { type JsonObject, quote, type TokenizerParts } from "./tokenizer-json.ts";

export interface SentencePieces {
  /** For messages: the file or format. */
  readonly name: string;
  /** A space is `▁`. */
  readonly pieces: Pieces;
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
const maxPieceBytes = 1024;

/** @throws input errors `vocabulary-piece`, `vocabulary-score`. */
export function sentencePieces(source: SentencePieces): TokenizerParts {
  const { pieces, special, userDefined } = source;
  const mark = { String: spaceMark };
  const prefix = source.spacePrefix ? [{ type: "Prepend", prepend: spaceMark }] : [];
  const strip = source.spacePrefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : [];
  const json = {
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
      unk_token: pieces.text(source.unknown) ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
    },
  };
  return { json, pieces, merges: deriveMerges(source) };
}

export function addedTokens(
  pieces: Pieces,
  special: readonly number[],
  userDefined: readonly number[],
): readonly JsonObject[] {
  const isSpecial = new Set(special);
  return [...new Set([...special, ...userDefined])]
    .sort((a, b) => a - b)
    .map((id) => ({
      id,
      content: pieces.text(id),
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: isSpecial.has(id),
    }));
}

/** Tokens before and after every text; null where there are none. */
export function templateProcessing(
  pieces: Pieces,
  before: readonly number[],
  after: readonly number[],
): JsonObject | null {
  const tokens = [...before, ...after];
  if (tokens.length === 0) return null;
  const item = (id: number) => ({ SpecialToken: { id: pieces.text(id), type_id: 0 } });
  const text = (id: string) => ({ Sequence: { id, type_id: 0 } });
  return {
    type: "TemplateProcessing",
    single: [...before.map(item), text("A"), ...after.map(item)],
    pair: [...before.map(item), text("A"), text("B"), ...after.map(item)],
    special_tokens: Object.fromEntries(
      tokens.map((id) => [pieces.text(id), { id: pieces.text(id), ids: [id], tokens: [pieces.text(id)] }]),
    ),
  };
}

function deriveMerges(source: SentencePieces): Merges {
  const { pieces, scores } = source;
  const { texts } = pieces;
  const sources: number[] = [];
  for (const id of pieces.ids()) {
    if (source.isolated(id)) continue;
    if (Number.isNaN(scores[id] ?? Number.NaN)) {
      throw inputError("vocabulary-score", `${source.name}: the token ${id}, ${quote(texts.text(id))}, has no score`);
    }
    const length = texts.ends[id]! - texts.begin(id);
    if (length > maxPieceBytes) {
      throw inputError(
        "vocabulary-piece",
        `${source.name}: the token ${id} is ${length} bytes long; up to ${maxPieceBytes} can be read`,
      );
    }
    sources.push(id);
  }
  sources.sort((a, b) => scores[b]! - scores[a]! || a - b);
  const merges: [left: number[], right: number[], joined: number[]] = [[], [], []];
  for (const id of sources) cut(pieces, id, merges);
  return new Merges(...merges);
}

/** All ways to cut a piece into two others. */
function cut(pieces: Pieces, id: number, [left, right, joined]: readonly [number[], number[], number[]]): void {
  const { bytes, ends } = pieces.texts;
  const begin = pieces.texts.begin(id);
  const end = ends[id]!;
  let hash = hashBytes(bytes, begin, begin);
  for (let at = begin + 1; at < end; at++) {
    hash = hashBytes(bytes, at - 1, at, hash);
    const first = pieces.find(bytes, begin, at, hash);
    if (first < 0) continue;
    const second = pieces.find(bytes, at, end, hashBytes(bytes, at, end));
    if (second < 0) continue;
    left.push(first);
    right.push(second);
    joined.push(id);
  }
}
