/** Plays a text through a model and hands the hidden states at every step to the similarity accumulator. */
import { inputError } from "../errors.ts";
import type { Session } from "../model/session.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import { firstTokens } from "../text/first-tokens.ts";
import { yieldToEvents } from "../yield.ts";
import { type Similarity, SimilarityAccumulator } from "./similarity.ts";
import { checkWindow } from "./window.ts";

export interface ObserveOptions {
  /** Tokens of a window; windows do not overlap, and the rest of the text that fills none is left out. */
  readonly window: number;
  /** Most windows that are read. */
  readonly windows: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** `session` must keep hidden states; its sequence is replaced. `steps` and `width` are those of its schedule and model. */
export async function observe(
  session: Session,
  tokens: readonly number[],
  steps: number,
  width: number,
  { window, windows, signal, onProgress }: ObserveOptions,
): Promise<Similarity> {
  const whole = Math.floor(tokens.length / window);
  if (whole < 1) {
    throw inputError(
      "text-too-short",
      `the text has ${tokens.length} tokens, less than one window of ${window}`,
      "Give a longer --text, or a shorter --window.",
    );
  }
  const count = Math.min(whole, windows);
  const accumulator = new SimilarityAccumulator(steps, width);
  for (let w = 0; w < count; w++) {
    session.rewind(0);
    for (let at = 0; at < window; at += session.maxRows) {
      signal?.throwIfAborted();
      const rows = Math.min(session.maxRows, window - at);
      // No logits are wanted: the tail is empty.
      session.play(tokens.slice(w * window + at, w * window + at + rows), { tail: rows });
      accumulator.add(session.allHidden(rows), rows, at + rows === window);
      onProgress?.({ label: "measuring", done: w * window + at + rows, total: count * window, unit: "tokens" });
      await yieldToEvents();
    }
  }
  return accumulator.result();
}

export interface ObserveModelOptions extends Pick<ObserveOptions, "signal" | "onProgress"> {
  readonly window?: number | undefined;
  readonly windows?: number | undefined;
}

/** `observe` with a session of its own; where not given, 64 windows of 64 tokens, or of what the model's context holds. */
export async function observeModel(
  model: Model,
  tokens: readonly number[],
  { window = defaultWindow(model), windows = DEFAULT_WINDOWS, signal, onProgress }: ObserveModelOptions = {},
): Promise<Similarity> {
  checkWindow(model, window);
  const session = model.session({ hidden: true, contextLength: window });
  try {
    const options = { window, windows, signal, onProgress };
    return await observe(session, tokens, model.steps.length, model.config.hiddenSize, options);
  } finally {
    session.dispose();
  }
}

/** The same of a text, which is tokenized as far as it is read. */
export async function observeText(model: Model, text: string, options: ObserveModelOptions = {}): Promise<Similarity> {
  const { window = defaultWindow(model), windows = DEFAULT_WINDOWS } = options;
  return observeModel(model, firstTokens(model.needTokenizer(), text, window * windows), options);
}

export const DEFAULT_WINDOWS = 64;

export function defaultWindow({ config }: Model): number {
  return Math.min(64, config.contextLength);
}
