/** Holds a schedule against a model: every block that it names must exist. */
import { inputError } from "../errors.ts";
import { pointAt } from "./caret.ts";
import type { Item, Schedule } from "./schedule.ts";

/** Longest text for which the help spells out a corrected schedule. */
const SUGGESTED = 80;

/** Throws `schedule-block`, with a caret under the first block that a model of `blocks` blocks does not have. */
export function validateSchedule(schedule: Schedule, blocks: number): void {
  const unknown = [...numbers(schedule.items, schedule.text)].filter(({ block }) => block >= blocks);
  const first = unknown[0];
  if (!first) return;
  const corrected = unknown.reduceRight(
    (text, { at, width }) => `${text.slice(0, at)}${blocks - 1}${text.slice(at + width)}`,
    schedule.text,
  );
  throw inputError(
    "schedule-block",
    `schedule: the model has no block ${first.block}, it has ${blocks}${pointAt(schedule.text, first.at, first.width)}`,
    `Blocks are numbered 0 to ${blocks - 1}.${corrected.length <= SUGGESTED ? ` Did you mean "${corrected}"?` : ""}`,
  );
}

interface WrittenNumber {
  readonly block: number;
  readonly at: number;
  /** Digits in the text. */
  readonly width: number;
}

/** Every block number that stands in the text, in the order of the text. */
function* numbers(items: readonly Item[], text: string): Generator<WrittenNumber> {
  for (const { plays } of items) {
    if (plays.kind === "range") {
      yield written(plays.first, plays.firstAt, text);
      if (plays.lastAt !== plays.firstAt) yield written(plays.last, plays.lastAt, text);
    } else {
      yield* numbers(plays.items, text);
    }
  }
}

function written(block: number, at: number, text: string): WrittenNumber {
  return { block, at, width: /^[0-9]+/.exec(text.slice(at, at + 16))![0].length };
}
