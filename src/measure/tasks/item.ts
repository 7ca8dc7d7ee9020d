/** What a task comes down to: texts whose continuations a model is to find likely. */

export interface Request {
  readonly context: string;
  /** With the space or line break that parts it from the context. */
  readonly continuation: string;
}

export interface Item {
  /** One for each choice; just one where the answer is to be guessed freely. */
  readonly requests: readonly Request[];
  /** The choice that is right. */
  readonly gold: number;
  /** Characters (code points) of each choice, without what parts it from the context. */
  readonly lengths: readonly number[];
  /** Part of the task that it is counted by, e.g. a subject of MMLU. */
  readonly group?: string;
}

/** What a model makes of one request. */
export interface Score {
  /** Of the whole continuation, in nats. */
  readonly logLikelihood: number;
  /** Each of its tokens is the most likely one. */
  readonly greedy: boolean;
}

/** The choices follow one text, after a space. */
export function choicesAfter(context: string, { choices, gold }: Choices): Item {
  return {
    requests: choices.map((choice) => ({ context, continuation: ` ${choice}` })),
    gold,
    lengths: choices.map(codePoints),
  };
}

export interface Choices {
  readonly choices: readonly string[];
  readonly gold: number;
}

/** As Python counts them, which is what the harness divides by. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
