import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RefrainError } from "../errors.ts";
import { annotated, playable, someSteps, written } from "./arbitrary.testing.ts";
import { exits, steps, stretches } from "./expand.ts";
import { parseSchedule } from "./parse.ts";
import { fromSteps, printSchedule, printSteps } from "./print.ts";
import { MAX_STEPS, type Steps } from "./schedule.ts";

const canonical = (text: string) => printSchedule(parseSchedule(text));
const play = (block: (i: number) => number, length: number): Steps =>
  Array.from({ length }, (_, i) => ({ block: block(i), part: "block" }));

describe("the canonical print", () => {
  it.each([
    ["0-29", "0-29"],
    ["0x2 1x2 2x2", "each(0-2)x2"],
    ["0-5 0-5", "(0-5)x2"],
    ["0 1 2 3 4 5 5 4 3 2 1 0", "0-5 5-0"],
    ["0 0 0 0 0 0 0 0 0 0 0 0", "0x12"],
    ["a0 f0 a1 f0 a2 f0", "a0 f0 a1 f0 a2 f0"],
    ["a0 f0 a0 f0", "(a0 f0)x2"],
    ["f20 f21 f22", "f20-22"],
    ["0-20 27 28 29", "0-20 27-29"],
    ["5 0-5 0-5 0", "5 (0-5)x2 0"],
    ["5 5 5 4 4 4 3 3 3", "each(5-3)x3"],
    ["((0x2)x1)x2", "0x4"],
    ["each(0)x3", "0x3"],
    ["0-5 (2-5)x7 6-7", "0-1 (2-5)x8 6-7"],
    ["0-1 1", "0 1x2"],
    ["0-2 2x2", "0-1 2x3"],
    ["  0\n1\t2 ", "0-2"],
    ["007", "7"],
    ["(0)x*", "0x*"],
    ["0-1 ((2 3))x* 6 7", "0-1 (2-3)x* 6-7"],
    ["0 1~0.1250 2 3~0.125", "0 1~0.125 2 3~0.125"],
    ["1~1.0x2", "1~1x2"],
    ["0-5! 6-11! 12-17!", "0-5! 6-11! 12-17!"],
    ["(0-5 0-5!)!", "(0-5)x2!"],
    ["(0-5!)x2", "0-5! 0-5!"],
    ["(0x*)!", "0x*!"],
  ])("of %j is %j", (text, print) => {
    expect(canonical(text)).toBe(print);
  });

  it("is the identity on canonical text", () => {
    const samples = fc.oneof(
      playable.map(({ text }) => text),
      annotated,
    );
    fc.assert(
      fc.property(samples, (text) => {
        const print = canonical(text);
        expect(canonical(print)).toBe(print);
      }),
    );
  });

  it("plays the same steps as the text it came from, and is no longer than the steps one by one", () => {
    fc.assert(
      fc.property(playable, ({ text, plays }) => {
        const print = canonical(text);
        expect(written(steps(parseSchedule(print)))).toEqual(plays);
        expect(print.length).toBeLessThanOrEqual(plays.join(" ").length);
      }),
    );
  });

  it("keeps routers, exits and open loops", () => {
    fc.assert(
      fc.property(annotated, (text) => {
        const schedule = parseSchedule(text);
        const again = parseSchedule(printSchedule(schedule));
        expect(stretches(again)).toEqual(stretches(schedule));
        expect(exits(again)).toEqual(exits(schedule));
      }),
    );
  });

  it("depends on the steps alone", () => {
    fc.assert(
      fc.property(someSteps, (played) => {
        const oneByOne = written(played).join(" ");
        expect(printSteps(played)).toBe(canonical(oneByOne));
        expect(steps(fromSteps(played))).toEqual(played);
      }),
    );
  });

  it("takes seconds at most for the longest schedules, also where repetitions overlap", () => {
    let [shorter, fibonacci] = ["0", "01"];
    while (fibonacci.length < MAX_STEPS) [shorter, fibonacci] = [fibonacci, fibonacci + shorter];
    const scattered = (i: number) => (Math.imul(i % 1366, 2654435761) >>> 13) % 2;
    for (const block of [(i: number) => Number(fibonacci[i]), scattered, () => 0, (i: number) => i]) {
      const played = play(block, MAX_STEPS);
      const begin = performance.now();
      const schedule = fromSteps(played);
      expect(performance.now() - begin).toBeLessThan(10_000);
      expect(steps(schedule)).toEqual(played);
    }
  });

  it.each([
    ["no steps", []],
    ["too many steps", play(() => 0, MAX_STEPS + 1)],
    ["a block below 0", play(() => -1, 1)],
    ["a block above the highest", play(() => 4096, 1)],
    ["a block that is no whole number", play(() => 0.5, 1)],
  ])("refuses %s", (_, played) => {
    expect(() => printSteps(played)).toThrow(
      expect.objectContaining({ name: RefrainError.name, code: "schedule-edit" }),
    );
  });
});
