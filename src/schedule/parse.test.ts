import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RefrainError } from "../errors.ts";
import { playable, written } from "./arbitrary.testing.ts";
import { steps } from "./expand.ts";
import { parseSchedule } from "./parse.ts";
import { MAX_DEPTH, MAX_STEPS, MAX_TEXT } from "./schedule.ts";

/** The error, and the column that its caret stands under. */
function refusal(text: string): { error: RefrainError; column: number } {
  try {
    parseSchedule(text);
  } catch (error) {
    if (RefrainError.is(error)) return { error, column: (error.message.split("\n").at(-1)?.indexOf("^") ?? -1) - 2 };
    throw error;
  }
  throw new Error(`"${text}" was accepted`);
}

describe("parseSchedule", () => {
  it("reads what the grammar writes", () => {
    fc.assert(
      fc.property(playable, ({ text, plays }) => {
        expect(written(steps(parseSchedule(text)))).toEqual(plays);
      }),
    );
  });

  it("keeps the text as it was written", () => {
    expect(parseSchedule(" 0  1 ").text).toBe(" 0  1 ");
  });

  it.each([
    ["0-x2", 2, 'expected the last block of the range after "-", but found "x"'],
    ["0-5x2", 3, "a repeat right behind a range could mean two things"],
    ["a0-5x2", 4, "a repeat right behind a range could mean two things"],
    ["(0-5", 4, 'expected ")" for the "(" at column 1, but the schedule ends here'],
    ["0-5)", 3, 'expected a space, "x" and a count, or "!", but found ")"'],
    ["0 )", 2, 'expected a block (3), a half (a3, f3), a range (0-5), "(" or "each(", but found ")"'],
    ["()", 1, 'expected a block (3), a half (a3, f3), a range (0-5), "(" or "each(", but found ")"'],
    ["each(0-5)", 9, 'expected "x" and a count: each(0-14)x2, but the schedule ends here'],
    ["each 0", 4, 'expected "(" after "each", but found " "'],
    ["0 x2", 2, 'expected a block (3), a half (a3, f3), a range (0-5), "(" or "each(", but found "x"'],
    ["0x", 2, 'expected a count or "*" after "x", but the schedule ends here'],
    ["0x0", 2, "a repeat count is at least 1"],
    ["0x-1", 2, 'expected a count or "*" after "x", but found "-"'],
    ["a", 1, 'expected a block number after "a", but the schedule ends here'],
    ["0 fx", 3, 'expected a block number after "f", but found "x"'],
    ["0,1", 1, 'expected a space, "x" and a count, or "!", but found ","'],
    ["0–5", 1, 'expected a space, "x" and a count, or "!", but found "–"'],
    ["0 🎵", 2, 'expected a block (3), a half (a3, f3), a range (0-5), "(" or "each(", but found "🎵"'],
    ["1~", 2, 'expected a capacity above 0 and up to 1, with at most 6 decimals, after "~"'],
    ["1~0", 2, "expected a capacity above 0"],
    ["1~1.5", 2, "expected a capacity above 0"],
    ["1~.5", 2, "expected a capacity above 0"],
    ["1~0.1234567", 2, "expected a capacity above 0"],
    ["0-5~0.125", 3, "a router belongs to one block"],
    ["each(0!)x2", 4, "each(…) holds an exit or an open-ended loop"],
    ["each(0)x*", 8, "each(…) needs a number of repeats"],
    ["(0!)x*", 5, "x* may not repeat an exit or another x*"],
    ["((0x*)x*", 7, "x* may not repeat an exit or another x*"],
  ])("refuses %j with a caret at %i", (text, column, message) => {
    const refused = refusal(text);
    expect(refused.error.code).toBe("schedule-syntax");
    expect(refused.error.kind).toBe("input");
    expect(refused.error.message).toContain(`schedule: ${message}`);
    expect(refused.error.help).toBeTruthy();
    expect(refused.column).toBe(column);
  });

  it.each(["", " \n "])("refuses %j as empty", (text) => {
    expect(refusal(text).error.message).toBe("schedule: the schedule is empty");
  });

  it("shows the whole message", () => {
    expect(refusal("0-5 (6-8)y2 9").error.message).toBe(
      'schedule: expected a space, "x" and a count, or "!", but found "y"\n  0-5 (6-8)y2 9\n           ^',
    );
  });

  it("says what an ambiguous repeat could have meant", () => {
    expect(refusal("0-5x2").error.help).toContain("(0-5)x2 to play the range twice, or each(0-5)x2");
  });

  it.each([
    [`0x${MAX_STEPS}`, `0x${MAX_STEPS + 1}`, 2],
    [`0x${MAX_STEPS}`, "0x99999999999999999999", 2],
    ["(0-4095)x1", "(0-4095)x2", 9],
    ["(0x64)x64", "(0x64)x65", 7],
    ["0-4095", "0-4095 0", 7],
    ["4095", "4096", 0],
    ["0-4095", "0-4096", 2],
    [`${"(".repeat(MAX_DEPTH)}0${")".repeat(MAX_DEPTH)}`, "(".repeat(MAX_DEPTH + 1), MAX_DEPTH],
    ["((((0x4096))))", "((((0x4096)x4096)x4096)x4096)x4096", 12],
  ])("accepts %j and refuses %j for its size", (within, beyond, column) => {
    expect(() => parseSchedule(within)).not.toThrow();
    expect(refusal(beyond).error.code).toBe("schedule-limit");
    expect(refusal(beyond).column).toBe(column);
  });

  it("refuses a text beyond the limit without reading it", () => {
    expect(refusal(`0${" ".repeat(MAX_TEXT)}`).error.code).toBe("schedule-limit");
  });

  it("throws nothing but input errors, at once, on any text", () => {
    const notation = fc.string({
      unit: fc.constantFrom(..."0129 ()-xaf!*~.", "each(", "x2", "x4096", "(0-9"),
      maxLength: 60,
    });
    fc.assert(
      fc.property(fc.oneof(notation, fc.string({ unit: "binary" })), (text) => {
        const begin = performance.now();
        try {
          expect(steps(parseSchedule(text)).length).toBeLessThanOrEqual(MAX_STEPS);
        } catch (error) {
          if (!RefrainError.is(error)) throw error;
          expect(error.kind).toBe("input");
        }
        expect(performance.now() - begin).toBeLessThan(1000);
      }),
      { numRuns: 5000 },
    );
  });

  it.each(["(", "0 ", "each(", "0x2(", "a", "9", "0!", " ", "~"])("is quick on a long run of %j", (unit) => {
    const begin = performance.now();
    try {
      parseSchedule(unit.repeat(Math.floor(MAX_TEXT / unit.length)));
    } catch (error) {
      expect(RefrainError.is(error)).toBe(true);
    }
    expect(performance.now() - begin).toBeLessThan(1000);
  });
});
