/**
 * Log-likelihoods of continuations. The sequences of one item mostly begin alike, so each is played from where it departs
 * from the one before; and sequences that differ in their last token only are one play, because that token is not played.
 * Nothing is kept from one item to the next: an item's scores do not depend on what was scored before it.
 */
import { inputError } from "../../errors.ts";
import type { Session } from "../../model/session.ts";
import { nextTokenLosses } from "../next-token-losses.ts";
import type { EncodedRequest } from "./encode.ts";
import type { Score } from "./item.ts";

/** One play: a sequence without its last token, and all last tokens that are asked for. */
interface Play {
  readonly tokens: readonly number[];
  /** The row that predicts the first token of the continuation. */
  readonly first: number;
  /** Last token of a request, by the request's place. */
  readonly ends: Map<number, number>;
}

/** `session` must end in the loss; its sequence is replaced. Error: `task-item`, for what is longer than the context. */
export async function scoreRequests(
  session: Session,
  requests: readonly EncodedRequest[],
  signal?: AbortSignal,
): Promise<Score[]> {
  const scores: Score[] = new Array(requests.length);
  let cached: readonly number[] = [];
  session.rewind(0);
  for (const play of playsOf(requests, session.contextLength)) {
    const { tokens, first, ends } = play;
    session.rewind(Math.min(sharedLength(cached, tokens), first));
    const [[firstRequest, firstEnd]] = ends as unknown as [[number, number]];
    const likeliest: number[] = [];
    const last = new Map<number, number>();
    const losses = await nextTokenLosses(session, [...tokens, firstEnd], first, {
      signal,
      onRow: (logits) => {
        likeliest.push(argmax(logits));
        if (likeliest.length === tokens.length - first) for (const end of ends.values()) last.set(end, logits[end]!);
      },
    });
    const logLikelihood = -losses.reduce((sum, loss) => sum + loss, 0);
    const expected = tokens.slice(first + 1);
    const greedy = expected.every((token, i) => token === likeliest[i]);
    for (const [request, end] of ends) {
      scores[request] = {
        // All of them have the same normalizer.
        logLikelihood: request === firstRequest ? logLikelihood : logLikelihood + last.get(end)! - last.get(firstEnd)!,
        greedy: greedy && end === likeliest.at(-1),
      };
    }
    cached = tokens;
  }
  return scores;
}

/** Longer sequences lose their beginning, as in the harness. */
function playsOf(requests: readonly EncodedRequest[], contextLength: number): Play[] {
  const plays: Play[] = [];
  for (const [i, { context, continuation }] of requests.entries()) {
    if (continuation.length > contextLength) {
      throw inputError(
        "task-item",
        `a continuation has ${continuation.length} tokens, more than the context of ${contextLength}`,
        "Leave that row out.",
      );
    }
    const tokens = [...context, ...continuation].slice(-(contextLength + 1));
    const end = tokens.pop()!;
    const first = tokens.length - continuation.length;
    const same = plays.find((play) => play.first === first && equal(play.tokens, tokens));
    if (same) same.ends.set(i, end);
    else plays.push({ tokens, first, ends: new Map([[i, end]]) });
  }
  return plays;
}

/** Tokens that the longest request of an item needs of a context. */
export function tokensNeeded(requests: readonly EncodedRequest[]): number {
  return Math.max(...requests.map(({ context, continuation }) => context.length + continuation.length - 1));
}

function sharedLength(a: readonly number[], b: readonly number[]): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return i;
  return shorter;
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && sharedLength(a, b) === a.length;
}

/** The first of the largest. */
function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}
