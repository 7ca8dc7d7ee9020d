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
/** The first plays still run the compiler's first tier; they are not counted, for so many milliseconds and plays. */
const WARM_UP = { milliseconds: 200, plays: 8 };

/** Decodes `tokens` tokens after a short prompt. Which tokens does not matter to the time. */
export async function decodeSpeed(model: Model, tokens = 32, signal?: AbortSignal): Promise<Speed> {
  const session = model.session({ contextLength: Math.min(model.config.contextLength, PROMPT + tokens) });
  try {
    const token = (i: number) => (i * 7) % model.config.vocabSize;
    const prompt = Math.min(PROMPT, session.contextLength - 1);
    await session.feed(Array.from({ length: prompt }, (_, i) => token(i)));
    const decode = async (): Promise<number> => {
      signal?.throwIfAborted();
      if (session.position === session.contextLength) session.rewind(prompt);
      const begun = performance.now();
      session.play([token(session.position)]);
      const time = performance.now() - begun;
      await yieldToEvents();
      return time;
    };
    const end = performance.now() + WARM_UP.milliseconds;
    for (let plays = 0; plays < WARM_UP.plays || performance.now() < end; plays++) await decode();
    session.rewind(prompt);
    const times: number[] = [];
    while (times.length < tokens && session.position < session.contextLength) times.push(await decode());
    const decodeMilliseconds = times.sort((a, b) => a - b)[times.length >> 1]!;
    return { decodeMilliseconds, tokensPerSecond: 1000 / decodeMilliseconds, tokens: times.length };
  } finally {
    session.dispose();
  }
}
