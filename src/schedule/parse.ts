/**
 * The parser of the schedule notation: text in, syntax tree out. It expands nothing; `expand.ts` does.
 *
 *     schedule = item { space item }
 *     item     = ( part [ "~" capacity ] | range | "(" schedule ")" ) [ "x" count ] [ "!" ]
 *              | "each(" schedule ")x" count [ "!" ]
 *     part     = [ "a" | "f" ] block
 *     range    = part "-" block            (inclusive, ascending or descending; takes no "x": see below)
 *     count    = 1, 2, 3 … | "*"
 *
 * `0-5x2` is refused on purpose: half of its readers take it for `(0-5)x2`, the other half for `each(0-5)x2`.
 * The text is hostile input: its length, its nesting and the number of steps it stands for are bounded here, the last by
 * counting while reading, so that `((0x4096)x4096)x4096` costs nothing.
 */
import { inputError, type RefrainError } from "../errors.ts";
import { pointAt, printable } from "./caret.ts";
import {
  type Item,
  MAX_BLOCK,
  MAX_CAPACITY_DECIMALS,
  MAX_DEPTH,
  MAX_STEPS,
  MAX_TEXT,
  type Part,
  type Range,
  type Schedule,
} from "./schedule.ts";

const NOTATION =
  'Blocks and ranges are written 3 or 0-29, halves a3 f3, repeats 3x2, (0-5)x2 or each(0-14)x2, with spaces between: "0-5 (6-8)x2 9".';
const AN_ITEM = 'a block (3), a half (a3, f3), a range (0-5), "(" or "each("';

/**
 * Reads a schedule as a person types it or `config.json` stores it.
 * Throws `schedule-syntax` (with the text and a caret) or `schedule-limit`.
 */
export function parseSchedule(text: string): Schedule {
  if (text.length > MAX_TEXT) {
    throw inputError(
      "schedule-limit",
      `schedule: the text has ${text.length} characters, the limit is ${MAX_TEXT}`,
      "Use ranges and repeats.",
    );
  }
  return { text, items: new Parser(text).schedule() };
}

/** Something read, and what its surroundings must know of it without walking it again. */
interface Read<T> {
  readonly value: T;
  /** Steps it plays, an open-ended loop counted once. */
  readonly steps: number;
  /** False where it holds an exit or an open-ended loop: those may stand in a group, not in `each(…)` or `(…)x*`. */
  readonly plain: boolean;
}

class Parser {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  schedule(): readonly Item[] {
    return this.list(0).value;
  }

  /** Items up to the end of the text or, inside parentheses, up to the ")", which is left for the caller. */
  private list(depth: number): Read<readonly Item[]> {
    const value: Item[] = [];
    let steps = 0;
    let plain = true;
    for (;;) {
      const gap = this.space();
      const end = this.at === this.text.length || (depth > 0 && this.text[this.at] === ")");
      if (end && value.length > 0) return { value, steps, plain };
      if (value.length > 0 && !gap) throw this.expected('a space, "x" and a count, or "!"');
      const begin = this.at;
      const item = this.item(depth);
      steps += item.steps;
      plain &&= item.plain;
      if (steps > MAX_STEPS) throw this.tooManySteps(begin, this.at - begin);
      value.push(item.value);
    }
  }

  private item(depth: number): Read<Item> {
    const at = this.at;
    const { value: plays, steps, plain } = this.plays(depth);
    const times = this.times(plays, steps, plain);
    const exit = this.take("!");
    return {
      value: { at, plays, times, exit },
      steps: times === "open" ? steps : steps * times,
      plain: plain && !exit && times !== "open",
    };
  }

  private plays(depth: number): Read<Item["plays"]> {
    const each = this.take("each");
    const open = this.at;
    if (!this.take("(")) {
      if (each) throw this.expected('"(" after "each"');
      return this.range();
    }
    if (depth === MAX_DEPTH) {
      throw this.error("schedule-limit", open, `parentheses nest deeper than ${MAX_DEPTH}`, "Write the group out.");
    }
    const { value: items, steps, plain } = this.list(depth + 1);
    if (!this.take(")")) throw this.expected(`")" for the "(" at column ${open + 1}`);
    if (!each) return { value: { kind: "group", items }, steps, plain };
    if (!plain) {
      throw this.error(
        "schedule-syntax",
        open,
        "each(…) holds an exit or an open-ended loop, and whether those repeat too is not clear",
        "Write these items out, or put the ! behind each(…).",
      );
    }
    if (this.text[this.at] !== "x") throw this.expected('"x" and a count: each(0-14)x2');
    return { value: { kind: "each", items }, steps, plain };
  }

  private range(): Read<Range> {
    const part: Part = this.take("a") ? "attention" : this.take("f") ? "ffn" : "block";
    const firstAt = this.at;
    let lastAt = firstAt;
    const first = this.block(part === "block" ? AN_ITEM : `a block number after "${this.text[this.at - 1]}"`);
    let last = first;
    let capacity: number | undefined;
    if (this.take("-")) {
      lastAt = this.at;
      last = this.block('the last block of the range after "-"');
      if (this.text[this.at] === "x") throw this.ambiguousRepeat();
      if (this.text[this.at] === "~") {
        throw this.error("schedule-syntax", this.at, "a router belongs to one block", "Write 0~0.125 1~0.125.");
      }
    } else if (this.take("~")) {
      capacity = this.capacity();
    }
    return {
      value: { kind: "range", part, first, last, firstAt, lastAt, capacity },
      steps: Math.abs(last - first) + 1,
      plain: true,
    };
  }

  /** What stands behind an item: "x2", "x*" or nothing, which is 1. */
  private times(plays: Item["plays"], steps: number, plain: boolean): number | "open" {
    if (!this.take("x")) return 1;
    const at = this.at;
    if (this.take("*")) {
      if (plays.kind !== "each" && plain) return "open";
      const why =
        plays.kind === "each" ? "each(…) needs a number of repeats" : "x* may not repeat an exit or another x*";
      throw this.error("schedule-syntax", at, why, "An open-ended loop is a block or a plain group: 0x* or (0-5)x*.");
    }
    const times = this.number('a count or "*" after "x"');
    if (times === 0) {
      throw this.error("schedule-syntax", at, "a repeat count is at least 1", "Leave out what is not to be played.");
    }
    if (steps * times > MAX_STEPS) throw this.tooManySteps(at, this.at - at);
    return times;
  }

  private capacity(): number {
    const at = this.at;
    const digits = /[0-9]*\.?[0-9]*/y;
    digits.lastIndex = at;
    const text = digits.exec(this.text)?.[0] ?? "";
    const value = Number(text);
    this.at += text.length;
    const decimals = text.includes(".") ? text.length - text.indexOf(".") - 1 : 0;
    if (/^[0-9]+(\.[0-9]+)?$/.test(text) && value > 0 && value <= 1 && decimals <= MAX_CAPACITY_DECIMALS) return value;
    throw this.error(
      "schedule-syntax",
      at,
      `expected a capacity above 0 and up to 1, with at most ${MAX_CAPACITY_DECIMALS} decimals, after "~"`,
      "1~0.125 lets an eighth of the tokens through block 1.",
      text.length,
    );
  }

  private block(expected: string): number {
    const at = this.at;
    const block = this.number(expected);
    if (block <= MAX_BLOCK) return block;
    const what = `block numbers end at ${MAX_BLOCK}`;
    throw this.error("schedule-limit", at, what, "Blocks are numbered from 0.", this.at - at);
  }

  private number(expected: string): number {
    const digits = /[0-9]+/y;
    digits.lastIndex = this.at;
    const text = digits.exec(this.text)?.[0];
    if (text === undefined) throw this.expected(expected);
    this.at += text.length;
    return Number(text);
  }

  /** Skips white space; true where there was some. */
  private space(): boolean {
    const begin = this.at;
    while (/\s/.test(this.text[this.at] ?? "")) this.at++;
    return this.at > begin;
  }

  private take(token: string): boolean {
    const taken = this.text.startsWith(token, this.at);
    if (taken) this.at += token.length;
    return taken;
  }

  private expected(what: string): RefrainError {
    const found = this.text.codePointAt(this.at);
    if (found === undefined && this.text.trim() === "") {
      return inputError("schedule-syntax", "schedule: the schedule is empty", NOTATION);
    }
    const but = found === undefined ? "the schedule ends here" : `found "${printable(String.fromCodePoint(found))}"`;
    return this.error("schedule-syntax", this.at, `expected ${what}, but ${but}`, NOTATION);
  }

  private ambiguousRepeat(): RefrainError {
    const help = "Write (0-5)x2 to play the range twice, or each(0-5)x2 to play every block of it twice in a row.";
    return this.error("schedule-syntax", this.at, "a repeat right behind a range could mean two things", help);
  }

  private tooManySteps(at: number, width: number): RefrainError {
    const what = `this makes the schedule longer than ${MAX_STEPS} steps`;
    return this.error("schedule-limit", at, what, "Repeat less often.", width);
  }

  private error(code: string, at: number, what: string, help: string, width = 1): RefrainError {
    return inputError(code, `schedule: ${what}${pointAt(this.text, at, width)}`, help);
  }
}
