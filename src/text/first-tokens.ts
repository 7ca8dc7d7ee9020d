/** The beginning of a text as tokens. */
import type { Tokenizer } from "./tokenizer.ts";

/** Characters that are read first for each token that is wanted; where they do not suffice, twice as many. */
const CHARACTERS_PER_TOKEN = 6;
/** Tokens that must follow the wanted ones: the last before a cut may be others than in the whole text. */
const MARGIN = 16;

/** The first `count` tokens of a text, or all; a long text is not tokenized much further than it is needed. */
export function firstTokens(tokenizer: Pick<Tokenizer, "encode">, text: string, count?: number): number[] {
  if (count === undefined) return tokenizer.encode(text);
  for (let length = (count + MARGIN) * CHARACTERS_PER_TOKEN; length < text.length; length *= 2) {
    const tokens = tokenizer.encode(text.slice(0, length));
    if (tokens.length >= count + MARGIN) return tokens.slice(0, count);
  }
  return tokenizer.encode(text).slice(0, count);
}
