/** How fast a schedule plays here and now: an indication for a table, not a benchmark (see bench/). */
import type { Model } from "../refrain.ts";
import { yieldToEvents } from "../yield.ts";

export interface Speed {
  /** Median over the decoded tokens, in milliseconds. */
  readonly decodeMilliseconds: number;
  readonly tokensPerSecond: number;
  /** Tokens decoded after a prompt of 16. */
  readonly tokens: number;
}

const PROMPT = 16;

/** Decodes `tokens` tokens after a short prompt. Which tokens does not matter to the time. */
export async function decodeSpeed(model: Model, tokens = 32, signal?: AbortSignal): Promise<Speed> {
  const session = model.session({ contextLength: Math.min(model.config.contextLength, PROMPT + tokens + 8) });
  try {
    const token = (i: number) => (i * 7) % model.config.vocabSize;
    await session.feed(Array.from({ length: Math.min(PROMPT, session.contextLength - 1) }, (_, i) => token(i)));
    const times: number[] = [];
    while (times.length < tokens + 8 && session.position < session.contextLength) {
      signal?.throwIfAborted();
      const begun = performance.now();
      session.play([token(session.position)]);
      times.push(performance.now() - begun);
      await yieldToEvents();
    }
    // The first plays still run the compiler's first tier.
    const settled = times.slice(Math.min(8, times.length - 1)).sort((a, b) => a - b);
    const decodeMilliseconds = settled[settled.length >> 1]!;
    return { decodeMilliseconds, tokensPerSecond: 1000 / decodeMilliseconds, tokens: settled.length };
  } finally {
    session.dispose();
  }
}
