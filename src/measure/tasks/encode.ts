/**
 * Requests as tokens, split between context and continuation as lm-evaluation-harness does it: the spaces that end the
 * context go over to the continuation, both together are encoded, and what follows as many tokens as the context has by
 * itself is the continuation.
 */
import { inputError } from "../../errors.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import type { Item, Request } from "./item.ts";

export interface EncodedRequest {
  readonly context: readonly number[];
  readonly continuation: readonly number[];
}

/** Error: `task-item`, where a continuation has no token of its own. `place` is for the message. */
export function encodeItem(tokenizer: Pick<Tokenizer, "encode">, { requests }: Item, place: string): EncodedRequest[] {
  const contexts = new Map<string, readonly number[]>();
  return requests.map((request) => {
    const { context, continuation } = spacesMoved(request);
    const before = contexts.get(context) ?? tokenizer.encode(context);
    contexts.set(context, before);
    const tokens = tokenizer.encode(context + continuation).slice(before.length);
    if (before.length > 0 && tokens.length > 0) return { context: before, continuation: tokens };
    const shown = JSON.stringify(continuation.slice(0, 40));
    throw inputError(
      "task-item",
      `${place}: ${before.length === 0 ? "the context" : `the continuation ${shown}`} has no tokens of its own`,
      "This tokenizer cannot tell the two apart; leave the row out.",
    );
  });
}

function spacesMoved({ context, continuation }: Request): Request {
  const bare = context.trimEnd();
  return { context: bare, continuation: context.slice(bare.length) + continuation };
}
