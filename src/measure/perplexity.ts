/**
 * Perplexity of a text in sliding windows, as the documentation of transformers defines it ("Perplexity of fixed-length
 * models"): windows of `window` tokens, `stride` apart; each token is predicted once, with up to window - stride tokens
 * before it as context; the mean loss of each window is weighted by its predicted tokens less one, as that page does.
 */
import { inputError } from "../errors.ts";
import type { Session } from "../model/session.ts";
import type { OnProgress } from "../progress.ts";
import { nextTokenLosses } from "./next-token-losses.ts";

export interface PerplexityOptions {
  /** Tokens of a window; at most the session's context. */
  readonly window: number;
  /** Tokens from one window to the next: from 2, since that weighting leaves out a window with one token to predict. */
  readonly stride: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface Perplexity {
  readonly perplexity: number;
  /** Its logarithm: nats a token. */
  readonly meanLoss: number;
  readonly window: number;
  readonly stride: number;
  readonly windows: number;
  /** Tokens of the text, and how many of them were predicted. */
  readonly tokens: number;
  readonly predicted: number;
  /** Wall time, and tokens read in it; overlapping windows read a token more than once. */
  readonly seconds: number;
  readonly tokensRead: number;
}

/** `session` must end in the loss; its sequence is replaced. */
export async function perplexity(
  session: Session,
  tokens: readonly number[],
  { window, stride, signal, onProgress }: PerplexityOptions,
): Promise<Perplexity> {
  check(session, tokens, window, stride);
  const started = performance.now();
  let weighted = 0;
  let weight = 0;
  let predicted = 0;
  let windows = 0;
  let tokensRead = 0;
  for (let begin = 0, previousEnd = 0; previousEnd < tokens.length; begin += stride, windows++) {
    const end = Math.min(begin + window, tokens.length);
    // Token t is predicted at row t - 1; the first token of the text has nothing before it.
    const first = Math.max(begin, previousEnd - 1);
    session.rewind(0);
    const losses = await nextTokenLosses(session, tokens.slice(begin, end), first - begin, { signal });
    const counted = end - previousEnd - 1;
    if (losses.length > 0 && counted > 0) {
      weighted += (losses.reduce((sum, loss) => sum + loss, 0) / losses.length) * counted;
      weight += counted;
    }
    predicted += losses.length;
    tokensRead += end - begin;
    previousEnd = end;
    onProgress?.({ label: "perplexity", done: end, total: tokens.length, unit: "tokens" });
  }
  const meanLoss = weighted / weight;
  return {
    perplexity: Math.exp(meanLoss),
    meanLoss,
    window,
    stride,
    windows,
    tokens: tokens.length,
    predicted,
    seconds: (performance.now() - started) / 1000,
    tokensRead,
  };
}

function check(session: Session, tokens: readonly number[], window: number, stride: number): void {
  if (tokens.length < 3) {
    throw inputError(
      "text-too-short",
      `the text has ${tokens.length} tokens; perplexity needs at least 3`,
      "Give a longer --text.",
    );
  }
  if (!Number.isInteger(window) || window < 2 || window > session.contextLength) {
    throw inputError(
      "window",
      `window: expected a whole number from 2 to ${session.contextLength} tokens, got ${window}`,
      "A window cannot be longer than the model's context.",
    );
  }
  if (!Number.isInteger(stride) || stride < 2 || stride > window) {
    throw inputError(
      "stride",
      `stride: expected a whole number from 2 to the window of ${window}, got ${stride}`,
      "Half a window is usual; less costs more time and gives every token more context.",
    );
  }
}
