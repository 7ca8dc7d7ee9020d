import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLOCKS, someSteps } from "./arbitrary.testing.ts";
import {
  cycle,
  dropRange,
  dropSteps,
  halves,
  joinHalves,
  repeatEach,
  reverse,
  shareAttention,
  shareEvery,
  shareFfn,
} from "./edits.ts";
import { steps } from "./expand.ts";
import { parseSchedule } from "./parse.ts";
import { fromSteps, printSteps } from "./print.ts";
import { identitySteps, MAX_STEPS, type Steps } from "./schedule.ts";
import { kvSlots } from "./stats.ts";
import { validateSchedule } from "./validate.ts";

const of = (text: string) => steps(parseSchedule(text));

describe("edits", () => {
  it.each<[string, (steps: Steps) => Steps, string]>([
    ["dropRange(21, 26), both included", (s) => dropRange(s, 21, 26), "0-20 27-29"],
    ["dropRange of one", (s) => dropRange(s, 29, 29), "0-28"],
    ["dropSteps in any order", (s) => dropSteps(s, [28, 0, 1, 28]), "2-27 29"],
    ["repeatEach", (s) => repeatEach(s, 2), "each(0-29)x2"],
    ["cycle", (s) => cycle(s, 2), "(0-29)x2"],
    ["reverse", reverse, "0-29 29-0"],
    ["shareEvery(1), which changes nothing", (s) => shareEvery(s, 1), "0-29"],
    ["shareEvery(30)", (s) => shareEvery(s, 30), "0x30"],
    ["shareEvery(20), the last group shorter", (s) => shareEvery(s, 20), "0x20 20x10"],
  ])("%s", (_, edit, expected) => {
    expect(printSteps(edit(identitySteps(30)))).toBe(expected);
  });

  it.each<[string, (steps: Steps) => Steps, string, string]>([
    ["dropRange goes by position, not by block", (s) => dropRange(s, 0, 1), "5 3 5", "5"],
    ["shareEvery(2)", (s) => shareEvery(s, 2), "0-5", "0x2 2x2 4x2"],
    ["shareEvery keeps halves", (s) => shareEvery(s, 2), "a0 f1 2", "a0 f0 2"],
    ["shareFfn", shareFfn, "0-2", "a0 f0 a1 f0 a2 f0"],
    ["shareAttention", shareAttention, "0-2", "a0 f0 a0 f1 a0 f2"],
    ["shareFfn takes the first that has one", shareFfn, "a0 f4 a1 f5", "a0 f4 a1 f4"],
    ["shareFfn without any", shareFfn, "a0-2", "a0-2"],
    ["halves", halves, "3 a4", "a3 f3 a4"],
    ["reverse keeps halves", reverse, "a0 f0", "a0 f0x2 a0"],
  ])("%s", (_, edit, before, after) => {
    expect(printSteps(edit(of(before)))).toBe(printSteps(of(after)));
  });

  it("leave schedules that the model can play and change nothing in place", () => {
    const position = fc.nat({ max: 11 });
    const count = fc.integer({ min: 1, max: 3 });
    const edit: fc.Arbitrary<(steps: Steps) => Steps> = fc.oneof(
      fc.tuple(position, position).map(([a, b]) => (s: Steps) => {
        const [first, last] = [Math.min(a, b) % s.length, Math.max(a, b) % s.length].sort((x, y) => x - y);
        return last! - first! + 1 < s.length ? dropRange(s, first!, last!) : s;
      }),
      position.map((p) => (s: Steps) => (s.length > 1 ? dropSteps(s, [p % s.length]) : s)),
      count.map((n) => (s: Steps) => repeatEach(s, n)),
      count.map((n) => (s: Steps) => cycle(s, n)),
      count.map((n) => (s: Steps) => shareEvery(s, n)),
      fc.constantFrom(reverse, shareAttention, shareFfn, halves),
    );
    fc.assert(
      fc.property(someSteps, fc.array(edit, { maxLength: 3 }), (before, edits) => {
        const copy = structuredClone(before);
        const after = edits.reduce((s, apply) => apply(s), before);
        expect(before).toEqual(copy);
        const schedule = fromSteps(after);
        expect(() => validateSchedule(schedule, BLOCKS)).not.toThrow();
        expect(steps(schedule)).toEqual(after);
        const played = new Set(before.map((step) => step.block));
        expect(after.every((step) => played.has(step.block))).toBe(true);
      }),
    );
  });

  it("share no more than they say: shared halves keep as much attention", () => {
    fc.assert(
      fc.property(someSteps, (before) => {
        for (const edit of [shareAttention, shareFfn, halves, (s: Steps) => shareEvery(s, 3)]) {
          expect(kvSlots(edit(before))).toBe(kvSlots(before));
        }
      }),
    );
  });

  const six = identitySteps(6);
  it.each<[string, () => Steps, string]>([
    ["a position behind the end", () => dropRange(six, 2, 6), "names position 6; the schedule has positions 0 to 5"],
    ["a position below 0", () => dropSteps(six, [-1]), "names position -1"],
    ["a fraction of a position", () => dropSteps(six, [0.5]), "names position 0.5"],
    ["a range backwards", () => dropRange(six, 3, 2), "drops positions 3 to 2, which ends before it begins"],
    ["dropping everything", () => dropRange(six, 0, 5), "leaves 0 steps"],
    ["repeating 0 times", () => repeatEach(six, 0), "needs a whole number of repeats from 1 up, got 0"],
    ["repeating 1.5 times", () => cycle(six, 1.5), "needs a whole number of repeats from 1 up, got 1.5"],
    ["repeating beyond the limit", () => cycle(six, 1e9), "makes 6000000000 steps"],
    ["sharing among 0 steps", () => shareEvery(six, 0), "needs a whole number of steps that share a block"],
    ["reversing beyond the limit", () => reverse(identitySteps(MAX_STEPS)), "leaves 8192 steps"],
  ])("refuse %s", (_, edit, message) => {
    const expected = { code: "schedule-edit", kind: "input", message: expect.stringContaining(message) };
    expect(edit).toThrow(expect.objectContaining(expected));
  });
});

describe("joinHalves", () => {
  it("joins what halves took apart, and the halves of one block that follow each other", () => {
    expect(joinHalves(of("a0 f0 f1 a1 a2 f2 a2 f1"))).toEqual(of("0 f1 a1 2 a2 f1"));
    fc.assert(
      fc.property(someSteps, (s) => {
        expect(halves(joinHalves(s))).toEqual(halves(s));
        expect(joinHalves(halves(s))).toEqual(joinHalves(s));
      }),
    );
  });
});
