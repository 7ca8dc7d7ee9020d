/**
 * Pseudo-perplexity (Salazar et al. 2020, arXiv 1910.14659): what perplexity is to a decoder, to an encoder. Each token in
 * turn is masked and predicted from all others,
 *
 *   PPPL = exp(-1/N Σ_t log P(w_t | w without w_t))
 *
 * over the N tokens that are predicted. A text that is longer than a window has one for each token, with the token in its middle;
 * at the ends of the text the window stays within it. Each window is framed as the tokenizer frames a text ([CLS] … [SEP]), and special
 * tokens are not predicted. Exact, and dear: a token costs a play of a window. Masked copies played together, as a batch of
 * sequences, were hardly faster (docs/log.md).
 */
import { inputError } from "../errors.ts";
import type { Session } from "../model/session.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { yieldToEvents } from "../yield.ts";
import { checkWindow } from "./window.ts";

/** What a session is to know of the tokenizer. */
export interface Masks extends Pick<Tokenizer, "special" | "frame"> {
  readonly mask: number;
}

export interface PseudoPerplexityOptions {
  /** Tokens of a window, its frame included; at most the session's context. */
  readonly window: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface PseudoPerplexity {
  readonly pseudoPerplexity: number;
  /** Its logarithm: nats a masked token. */
  readonly meanLoss: number;
  readonly window: number;
  /** Tokens of the text, and how many of them were masked and predicted, each once. */
  readonly tokens: number;
  readonly predicted: number;
  /** Wall time, and tokens read in it: a window for each that is predicted. */
  readonly seconds: number;
  readonly tokensRead: number;
}

/** `tokens` without their frame. `session` must be an encoder's and end in the loss; its sequence is replaced. */
export async function pseudoPerplexity(
  session: Session,
  tokens: readonly number[],
  { mask, special, frame: { before, after } }: Masks,
  { window, signal, onProgress }: PseudoPerplexityOptions,
): Promise<PseudoPerplexity> {
  const length = Math.min(tokens.length, window - before.length - after.length);
  const places = [...tokens.keys()].filter((place) => !special.has(tokens[place]!));
  check(tokens, places, length, window);
  const started = performance.now();
  let sum = 0;
  let tokensRead = 0;
  for (const [done, place] of places.entries()) {
    signal?.throwIfAborted();
    const begin = Math.max(0, Math.min(place - (length >> 1), tokens.length - length));
    const read = [...before, ...tokens.slice(begin, begin + length), ...after];
    const row = before.length + place - begin;
    read[row] = mask;
    session.rewind(0);
    // Of the rows that the head computes, from the mask on, only the mask's has a loss.
    session.play(read, { tail: row, targets: read.slice(row).fill(-1).with(0, tokens[place]!) });
    sum += session.losses(1)[0]!;
    tokensRead += read.length;
    onProgress?.({ label: "pseudo-perplexity", done: done + 1, total: places.length, unit: "tokens" });
    await yieldToEvents();
  }
  const meanLoss = sum / places.length;
  return {
    pseudoPerplexity: Math.exp(meanLoss),
    meanLoss,
    window,
    tokens: tokens.length,
    predicted: places.length,
    seconds: (performance.now() - started) / 1000,
    tokensRead,
  };
}

function check(tokens: readonly number[], places: readonly number[], length: number, window: number): void {
  if (tokens.length < 2 || places.length === 0) {
    throw inputError(
      "text-too-short",
      `the text has ${tokens.length} tokens, ${places.length} of them to be predicted; pseudo-perplexity needs at least 2 and 1`,
      "Give a longer --text.",
    );
  }
  if (length >= 2) return;
  throw inputError(
    "window",
    `window: ${window} tokens leave room for ${Math.max(0, length)} of the text beside those that frame it`,
    "A masked token is predicted from others: take a longer --window.",
  );
}

/** The window where none is asked for: a token costs as much as its window is long. */
export function pseudoPerplexityWindow({ config }: Pick<Model, "config">): number {
  return Math.min(128, config.contextLength);
}

/** With a session of its own; `tokens` without their frame. Errors besides: `mask-token`, `tokenizer-missing`. */
export async function modelPseudoPerplexity(
  model: Model,
  tokens: readonly number[],
  options: Partial<PseudoPerplexityOptions> = {},
): Promise<PseudoPerplexity> {
  const { mask, special, frame } = model.needTokenizer();
  if (mask === undefined) {
    throw inputError(
      "mask-token",
      `the tokenizer of ${model.path} has no mask, which pseudo-perplexity puts in the place of each token`,
      'Name it in tokenizer_config.json: "mask_token": "[MASK]".',
    );
  }
  const { window = pseudoPerplexityWindow(model) } = options;
  checkWindow(model, window);
  const session = model.session({ output: "loss", contextLength: window });
  try {
    return await pseudoPerplexity(session, tokens, { mask, special, frame }, { ...options, window });
  } finally {
    session.dispose();
  }
}
