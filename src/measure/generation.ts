/**
 * How text holds up that a model makes itself. A model that has lost layers often still tells the right answer from a
 * wrong one when it can no longer write a sentence, so this breaks first. Two views of the continuations of many prompts:
 *
 * - repetition: rep-n, the share of a continuation's n-grams that have stood in it before (Welleck et al. 2019, section 6:
 *   1 - |unique n-grams| / |n-grams|), mean over prompts; and distinct-n, unique n-grams of all continuations over all
 *   n-grams (Li et al. 2016);
 * - a teacher: the mean loss of a better model on the continuations. Repetition is easy to predict, so a low loss alone
 *   is no praise: it is to be read beside rep-n, and beside the same figures of the text that the prompts are from.
 */
import { inputError } from "../errors.ts";
import { createSampler, type SamplerOptions } from "../generate/sampler.ts";
import type { Session } from "../model/session.ts";
import type { PlayableModel } from "../playable-model.ts";
import type { OnProgress } from "../progress.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { nextTokenLosses } from "./next-token-losses.ts";
import { encodeItem } from "./tasks/encode.ts";
import { type Figure, mean } from "./tasks/metrics.ts";

export interface Passage {
  readonly prompt: string;
  readonly continuation: string;
  /** The continuation as tokens of the model that made it. */
  readonly tokens: readonly number[];
}

export interface Repetition {
  /** rep-4, mean over continuations. */
  readonly repeated: Figure;
  /** distinct-1 … distinct-4. */
  readonly distinct: readonly number[];
}

export interface PassageOptions {
  /** Passages, from the beginning of the text. */
  readonly count: number;
  /** Tokens of a prompt and of a continuation. */
  readonly promptTokens: number;
  readonly newTokens: number;
}

const LONGEST = 4;

/** Prompts, and how the text itself goes on after them. Error: `text-too-short`. */
export function passages(
  tokenizer: Tokenizer,
  tokens: readonly number[],
  { count, promptTokens, newTokens }: PassageOptions,
): Passage[] {
  const length = promptTokens + newTokens;
  if (tokens.length < length) {
    throw inputError(
      "text-too-short",
      `the text has ${tokens.length} tokens, less than a prompt of ${promptTokens} and ${newTokens} more`,
      "Give a longer --text, or fewer --max-tokens.",
    );
  }
  return Array.from({ length: Math.min(count, Math.floor(tokens.length / length)) }, (_, i) => {
    const window = tokens.slice(i * length, (i + 1) * length);
    const prompt = tokenizer.decode(window.slice(0, promptTokens));
    return { prompt, continuation: tokenizer.decode(window).slice(prompt.length), tokens: window.slice(promptTokens) };
  });
}

/** The same prompts as the model goes on; an end of text does not end it. */
export async function continuations(
  model: PlayableModel,
  given: readonly Passage[],
  sampling: SamplerOptions,
  {
    signal,
    onProgress,
  }: { readonly signal?: AbortSignal | undefined; readonly onProgress?: OnProgress | undefined } = {},
): Promise<Passage[]> {
  const tokenizer = model.needTokenizer();
  const sample = createSampler(sampling);
  const session = model.session();
  const made: Passage[] = [];
  try {
    for (const { prompt, tokens: wanted } of given) {
      const read = tokenizer.encode(prompt);
      session.rewind(0);
      const tokens: number[] = [];
      let logits = await session.feed(read, { signal });
      for (;;) {
        tokens.push(sample(logits, []));
        if (tokens.length === wanted.length) break;
        logits = await session.feed([tokens.at(-1)!], { signal });
      }
      const text = tokenizer.decode([...read, ...tokens]);
      made.push({ prompt, continuation: text.slice(tokenizer.decode(read).length), tokens });
      onProgress?.({ label: "writing", done: made.length, total: given.length, unit: "items" });
    }
  } finally {
    session.dispose();
  }
  return made;
}

export function repetition(made: readonly { readonly tokens: readonly number[] }[]): Repetition {
  const lengths = Array.from({ length: LONGEST }, (_, i) => i + 1);
  const distinct = lengths.map((n) => {
    const all = made.flatMap(({ tokens }) => grams(tokens, n));
    return new Set(all).size / all.length;
  });
  const repeated = made.map(({ tokens }) => {
    const all = grams(tokens, LONGEST);
    return 1 - new Set(all).size / all.length;
  });
  return { repeated: mean(repeated), distinct };
}

function grams(tokens: readonly number[], n: number): string[] {
  return tokens.slice(n - 1).map((_, i) => tokens.slice(i, i + n).join());
}

/** Mean loss of the teacher on each continuation, in nats for each of its own tokens. `session` ends in the loss. */
export async function teacherLoss(
  session: Session,
  tokenizer: Tokenizer,
  made: readonly Passage[],
  {
    signal,
    onProgress,
  }: { readonly signal?: AbortSignal | undefined; readonly onProgress?: OnProgress | undefined } = {},
): Promise<Figure> {
  const losses: number[] = [];
  for (const [i, { prompt, continuation }] of made.entries()) {
    const item = { requests: [{ context: prompt, continuation }], gold: 0, lengths: [0] };
    const [request] = encodeItem(tokenizer, item, `continuation ${i + 1}`) as [ReturnType<typeof encodeItem>[number]];
    const tokens = [...request.context, ...request.continuation].slice(-session.contextLength);
    session.rewind(0);
    const first = Math.max(0, tokens.length - request.continuation.length - 1);
    losses.push(mean(await nextTokenLosses(session, tokens, first, { signal })).value);
    onProgress?.({ label: "asking the teacher", done: i + 1, total: made.length, unit: "items" });
  }
  return mean(losses);
}
