/** A text to heal with: its beginning is learned, of its end the loss is measured. Both are in memory, for a healing reads little. */
import { inputError } from "../errors.ts";
import { firstTokens } from "../text/first-tokens.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type Batch, type BatchShape, Windows } from "./batches.ts";

/** Characters that are held out for each token that is wanted; English has about four. */
const CHARACTERS_PER_TOKEN = 6;

export interface HealText {
  readonly heldOut: readonly Batch[];
  /** Windows of the first `tokens` tokens of what is learned, or of all. */
  windows(tokens: number): Windows;
}

/** Throws `text-too-short`. */
export async function healText(
  tokenizer: Pick<Tokenizer, "encode">,
  text: string,
  shape: BatchShape,
  heldOutTokens: number,
): Promise<HealText> {
  const most = Math.min(text.length / 10, heldOutTokens * CHARACTERS_PER_TOKEN);
  // Cut before a blank, where byte pairs cut words anyway.
  const cut = text.lastIndexOf(" ", text.length - most);
  const [learned, held] = [text.slice(0, cut), Int32Array.from(tokenizer.encode(text.slice(cut)))];
  if (cut < 0 || held.length < 2 || firstTokens(tokenizer, learned, shape.length + 1).length <= shape.length) {
    const found = tokenizer.encode(text).length;
    throw inputError(
      "text-too-short",
      `the text has ${found} tokens; one sequence of ${shape.length} and a tenth that is held out take about ${Math.ceil((shape.length + 2) / 0.9)}`,
      "Give a longer --text, or a shorter --length.",
    );
  }
  return {
    heldOut: await Windows.of(held, shape).spread(heldOutTokens),
    windows: (tokens) => Windows.of(Int32Array.from(firstTokens(tokenizer, learned, tokens + 1)), shape),
  };
}
