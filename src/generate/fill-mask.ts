/** What an encoder would put in the place of masked tokens. */
import type { Session } from "../model/session.ts";

export interface Filling {
  /** Place of the mask among the tokens. */
  readonly position: number;
  /** The most likely tokens, the best first. */
  readonly candidates: readonly { readonly token: number; readonly probability: number }[];
}

/**
 * The `top` most likely tokens for each place that holds `mask`. `session` is one of an encoder that ends in all logits
 * (`output: "all-logits"`); its sequence is replaced, and holds at most `session.maxRows` tokens.
 */
export function fillMask(session: Session, tokens: readonly number[], mask: number, top = 5): readonly Filling[] {
  session.rewind(0);
  session.play(tokens);
  return tokens.flatMap((token, position) =>
    token === mask ? [{ position, candidates: mostLikely(session.logits(position), top) }] : [],
  );
}

function mostLikely(logits: Float32Array, top: number): Filling["candidates"] {
  const best = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!).slice(0, top);
  const most = logits[best[0]!]!;
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  return best.map((token) => ({ token, probability: Math.exp(logits[token]! - most) / sum }));
}
