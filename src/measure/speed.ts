/** How fast a schedule plays here and now: an indication for a table, not a benchmark (see bench/). */
import type { Session } from "../model/session.ts";
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

/** Tokens that a model decodes before it is another one's turn. */
const TURN = 8;

/** Decodes `tokens` tokens after a short prompt. Which tokens does not matter to the time. */
export async function decodeSpeed(model: Model, tokens = 32, signal?: AbortSignal): Promise<Speed> {
  return (await decodeSpeeds([model], tokens, signal))[0]!;
}

/** The same for models that are to be compared: they take turns, so that whatever else the machine does meets them all. */
export async function decodeSpeeds(models: readonly Model[], tokens = 32, signal?: AbortSignal): Promise<Speed[]> {
  const decoders: Decoder[] = [];
  try {
    for (const model of models) {
      const decoder = new Decoder(model, tokens, signal);
      decoders.push(decoder);
      await decoder.begin();
    }
    for (let done = 0; done < tokens; done += TURN) {
      for (const decoder of decoders) await decoder.decode(Math.min(TURN, tokens - done));
    }
    return decoders.map((decoder) => decoder.speed());
  } finally {
    for (const decoder of decoders) decoder.session.dispose();
  }
}

class Decoder {
  readonly session: Session;
  private readonly vocabSize: number;
  private readonly prompt: number;
  private readonly times: number[] = [];
  private readonly signal: AbortSignal | undefined;

  constructor(model: Model, tokens: number, signal: AbortSignal | undefined) {
    this.session = model.session({ contextLength: Math.min(model.config.contextLength, PROMPT + tokens) });
    this.vocabSize = model.config.vocabSize;
    this.prompt = Math.min(PROMPT, this.session.contextLength - 1);
    this.signal = signal;
  }

  /** Reads the prompt and decodes until the code is compiled as it will stay. */
  async begin(): Promise<void> {
    await this.session.feed(Array.from({ length: this.prompt }, (_, i) => this.token(i)));
    const end = performance.now() + WARM_UP.milliseconds;
    for (let plays = 0; plays < WARM_UP.plays || performance.now() < end; plays++) await this.play();
    this.session.rewind(this.prompt);
  }

  async decode(count: number): Promise<void> {
    // The first play of a turn finds the caches full of another model.
    await this.play();
    for (let i = 0; i < count; i++) this.times.push(await this.play());
  }

  speed(): Speed {
    const decodeMilliseconds = this.times.sort((a, b) => a - b)[this.times.length >> 1]!;
    return { decodeMilliseconds, tokensPerSecond: 1000 / decodeMilliseconds, tokens: this.times.length };
  }

  private async play(): Promise<number> {
    this.signal?.throwIfAborted();
    const { session } = this;
    if (session.position === session.contextLength) session.rewind(this.prompt);
    const begun = performance.now();
    session.play([this.token(session.position)]);
    const time = performance.now() - begun;
    await yieldToEvents();
    return time;
  }

  private token(position: number): number {
    return (position * 7) % this.vocabSize;
  }
}
