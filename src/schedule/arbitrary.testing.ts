/**
 * Random schedules for property tests, written by the grammar and expanded by hand, so that the parser and `steps` are
 * held against something that shares no code with them.
 */
import fc from "fast-check";
import type { Part, Step, Steps } from "./schedule.ts";

/** Blocks that random schedules name: 0 … BLOCKS-1. */
export const BLOCKS = 12;

/** Steps of a random list; what tests build from two of them must stay within MAX_STEPS. */
const LONGEST = 300;

/** A text and what it plays, a step as it is written: "a3", "1~0.5". Exits and open loops are not in `plays`. */
export interface Sample {
  readonly text: string;
  readonly plays: readonly string[];
}

const block = fc.nat({ max: BLOCKS - 1 });
const letter = fc.constantFrom("", "", "", "a", "f");
const times = fc.integer({ min: 1, max: 4 });

const single: fc.Arbitrary<Sample> = fc
  .tuple(letter, block, fc.option(times))
  .map(([half, b, n]) => ({ text: `${half}${b}${n ? `x${n}` : ""}`, plays: Array(n ?? 1).fill(`${half}${b}`) }));

const range: fc.Arbitrary<Sample> = fc.tuple(letter, block, block).map(([half, a, b]) => {
  const numbers = Array.from({ length: Math.abs(a - b) + 1 }, (_, i) => (a <= b ? a + i : a - i));
  return { text: `${half}${a}-${b}`, plays: numbers.map((n) => `${half}${n}`) };
});

const sample = (text: string, plays: readonly string[]): Sample => ({ text, plays });

const repeated = ({ text, plays }: Sample, n: number) =>
  sample(`(${text})x${n}`, Array.from({ length: n }, () => plays).flat());

const join = (items: readonly Sample[]): Sample => ({
  text: items.map((item) => item.text).join(" "),
  plays: items.flatMap((item) => item.plays),
});

const list = (item: fc.Arbitrary<Sample>) =>
  fc
    .array(item, { minLength: 1, maxLength: 4 })
    .map(join)
    .filter(({ plays }) => plays.length <= LONGEST);

/** Schedules of any shape without exits, routers and open loops. */
export const playable: fc.Arbitrary<Sample> = fc.letrec<{ item: Sample; list: Sample }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 3 },
    single,
    range,
    fc.tuple(tie("list"), times).map(([inner, n]) => repeated(inner, n)),
    fc.tuple(tie("list"), times).map(([inner, n]) => ({
      text: `each(${inner.text})x${n}`,
      plays: inner.plays.flatMap((step) => Array<string>(n).fill(step)),
    })),
  ),
  list: list(tie("item")),
})).list;

/** The same with routers, exits and open loops, and groups around them. */
export const annotated: fc.Arbitrary<string> = fc
  .letrec<{ item: Sample; list: Sample }>((tie) => ({
    item: fc.oneof(
      { maxDepth: 2 },
      playable,
      fc.tuple(block, fc.constantFrom("0.125", "0.5", "1", "0.000001")).map(([b, c]) => sample(`${b}~${c}`, [`${b}`])),
      playable.map(({ text, plays }) => sample(`(${text})x*`, plays)),
      tie("item").map(({ text, plays }) => sample(`(${text})!`, plays)),
      fc.tuple(tie("list"), times).map(([inner, n]) => repeated(inner, n)),
    ),
    list: list(tie("item")),
  }))
  .list.map(({ text }) => text);

const part = fc.constantFrom<Part>("block", "block", "block", "attention", "ffn");

/** Steps as an edit could leave them: stretches that repeat, on few blocks. */
export const someSteps: fc.Arbitrary<Steps> = fc
  .array(
    fc
      .tuple(fc.array(fc.record<Step>({ block, part }), { minLength: 1, maxLength: 5 }), times)
      .map(([steps, n]) => Array.from({ length: n }, () => steps).flat()),
    { minLength: 1, maxLength: 5 },
  )
  .map((stretches) => stretches.flat());

const LETTER = { block: "", attention: "a", ffn: "f" } as const;

/** Steps as they are written one by one. */
export function written(steps: Steps): readonly string[] {
  return steps.map((step) => `${LETTER[step.part]}${step.block}`);
}
