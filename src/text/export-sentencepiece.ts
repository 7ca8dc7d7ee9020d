/**
 * A SentencePiece vocabulary that came as a `tokenizer.json`, with scores again. The file has merges in the order in which they count, all
 * cuts of a piece together (sentencepiece.ts makes such a list, and so does transformers of Llama's `tokenizer.model`); GGUF has a
 * score for each piece, from which the same list follows. Whether it does is checked here.
 */
import type { GgufEntry } from "../weights/gguf-write.ts";
import { TextList } from "../weights/text-list.ts";
import { ggufVocabulary, tokenTypes } from "./gguf-vocabulary.ts";
import type { Merges } from "./merges.ts";
import { spaceMark } from "./pre-tokenizer.ts";
import { type CheckedTokenizer, isObject, type JsonObject } from "./tokenizer-json.ts";

export const isSentencePiece = ({ json }: CheckedTokenizer): boolean =>
  (json.model as JsonObject).byte_fallback === true;

export interface Scored {
  readonly scores: Float32Array;
  readonly types: readonly number[];
  /** A space is put before each text. */
  readonly spacePrefix: boolean;
}

/**
 * @param types of the tokens as any vocabulary has them
 * @returns undefined where the merges do not follow from scores, or texts are prepared in another way
 */
export function scored(
  checked: CheckedTokenizer,
  tokens: readonly string[],
  types: readonly number[],
): Scored | undefined {
  const { json, pieces, merges } = checked;
  const { unk_token, ignore_merges } = json.model as JsonObject;
  const prefix = normalizerAddsSpace(json.normalizer);
  if (prefix === undefined || json.pre_tokenizer !== null || ignore_merges === true || !decodes(json.decoder, prefix)) {
    return undefined;
  }
  const unknown = typeof unk_token === "string" ? pieces.id(unk_token) : undefined;
  const own = types.map((type, id) => {
    if (id === unknown) return tokenTypes.unknown;
    return type === tokenTypes.normal && /^<0x[0-9A-F]{2}>$/.test(tokens[id]!) ? tokenTypes.byte : type;
  });
  const scores = new Float32Array(tokens.length).fill(-tokens.length);
  const order = [...new Set(Array.from(merges.joined))];
  for (const [place, id] of order.entries()) scores[id] = -place;
  const again = ggufVocabulary(
    new Map<string, unknown>([
      ["tokenizer.ggml.model", "llama"],
      ["tokenizer.ggml.tokens", TextList.of(tokens)],
      ["tokenizer.ggml.token_type", own],
      ["tokenizer.ggml.scores", scores],
    ]),
  ).tokenizer.merges;
  return sameButForCuts(merges, again) ? { scores, types: own, spacePrefix: prefix } : undefined;
}

/** The entries for what `scored` found. */
export function scoredEntries({ scores, types, spacePrefix }: Scored): Record<string, GgufEntry> {
  return {
    scores: ["array", "f32", scores],
    token_type: ["array", "i32", types],
    add_space_prefix: ["bool", spacePrefix],
  };
}

/** The same pieces in the same order; the cuts of one piece may come in another, which is no difference to SentencePiece. */
function sameButForCuts(a: Merges, b: Merges): boolean {
  if (a.length !== b.length) return false;
  const cuts = ({ left, right, length }: Merges) =>
    new Set(Array.from({ length }, (_, rank) => `${left[rank]} ${right[rank]}`));
  const [ofA, ofB] = [cuts(a), cuts(b)];
  return Array.from(a.joined).every((id, rank) => id === b.joined[rank]) && [...ofA].every((cut) => ofB.has(cut));
}

/** Undefined where it does more than to write `▁` for spaces, and one before the text. */
function normalizerAddsSpace(normalizer: unknown): boolean | undefined {
  const parts = partsOf(normalizer, "normalizers");
  const [replace, ...more] = parts.slice(parts[0]?.type === "Prepend" ? 1 : 0);
  const replaces = replace?.type === "Replace" && isString(replace.pattern, " ") && replace.content === spaceMark;
  if (!replaces || more.length > 0) return undefined;
  if (parts.length === 1) return false;
  return parts[0]!.prepend === spaceMark ? true : undefined;
}

function decodes(decoder: unknown, prefix: boolean): boolean {
  const types = partsOf(decoder, "decoders").map((part) => part.type);
  return types.join() === ["Replace", "ByteFallback", "Fuse", ...(prefix ? ["Strip"] : [])].join();
}

function partsOf(part: unknown, key: string): readonly JsonObject[] {
  if (!isObject(part)) return [];
  const list = part.type === "Sequence" ? part[key] : [part];
  return Array.isArray(list) ? list.filter(isObject) : [];
}

const isString = (pattern: unknown, text: string): boolean => isObject(pattern) && pattern.String === text;
