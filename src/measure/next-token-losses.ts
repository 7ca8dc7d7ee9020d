/** How well a model predicts each next token of a sequence: what perplexity and tasks are made of. */
import type { Session } from "../model/session.ts";
import { yieldToEvents } from "../yield.ts";

export interface LossOptions {
  readonly signal?: AbortSignal | undefined;
  /** Sees the logits of each row whose loss is wanted, and the token that comes next; the view lasts until it returns. */
  readonly onRow?: ((logits: Float32Array, next: number) => void) | undefined;
}

/**
 * Plays what `session` has not read yet of `tokens`, but for the last one, which is only predicted. `session` must end in
 * the loss and stand within `tokens`, not behind row `first`.
 * @returns nats at rows [first, tokens.length - 1); row t predicts token t + 1.
 */
export async function nextTokenLosses(
  session: Session,
  tokens: readonly number[],
  first: number,
  { signal, onRow }: LossOptions = {},
): Promise<number[]> {
  const losses: number[] = [];
  while (session.position < tokens.length - 1) {
    signal?.throwIfAborted();
    const at = session.position;
    const chunk = tokens.slice(at, Math.min(at + session.maxRows, tokens.length - 1));
    const tail = Math.min(Math.max(0, first - at), chunk.length);
    const targets = tokens.slice(at + tail + 1, at + chunk.length + 1);
    session.play(chunk, { tail, targets });
    losses.push(...session.losses(targets.length));
    if (onRow) for (const [row, next] of targets.entries()) onRow(session.logits(row), next);
    await yieldToEvents();
  }
  return losses;
}
