import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { playable, someSteps } from "./arbitrary.testing.ts";
import { halves } from "./edits.ts";
import { steps } from "./expand.ts";
import { parseSchedule } from "./parse.ts";
import { printSteps } from "./print.ts";
import { identitySteps, type Steps } from "./schedule.ts";
import { renumber, unroll } from "./unroll.ts";

const of = (text: string) => steps(parseSchedule(text));

describe("renumber", () => {
  it("numbers blocks in order of first appearance", () => {
    const { steps: renumbered, kept } = renumber(of("0-20 27-29"));
    expect(printSteps(renumbered)).toBe("0-23");
    expect(kept).toEqual([...Array(21).keys(), 27, 28, 29]);
    expect(printSteps(renumber(of("5 3x2 a5")).steps)).toBe("0 1x2 a0");
  });

  it("plays the same blocks under other names, and leaves no gap", () => {
    fc.assert(
      fc.property(someSteps, (before) => {
        const { steps: after, kept } = renumber(before);
        expect(after.map((step) => ({ ...step, block: kept[step.block] }))).toEqual(before);
        expect(new Set(after.map((step) => step.block))).toEqual(new Set(kept.keys()));
        expect(renumber(after)).toEqual({ steps: after, kept: [...kept.keys()] });
      }),
    );
  });
});

describe("unroll", () => {
  /** The halves that a plain model of these copies plays, one after the other. */
  const replay = (copies: ReturnType<typeof unroll>["copies"]): Steps =>
    copies.flatMap(({ attention, ffn }) => [
      { block: attention, part: "attention" },
      { block: ffn, part: "ffn" },
    ]);

  it("plays the same halves as the shared form", () => {
    const whole = playable.map(({ text }) => of(text).map(({ block }) => ({ block, part: "block" as const })));
    fc.assert(
      fc.property(whole, (shared) => {
        const { steps: plain, copies } = unroll(shared);
        expect(plain).toEqual(identitySteps(shared.length));
        expect(replay(copies)).toEqual(halves(shared));
        expect(unroll(halves(shared))).toEqual({ steps: plain, copies });
      }),
    );
  });

  it("joins an attention half and a feed-forward half of different blocks", () => {
    expect(unroll(of("a0 f0 a1 f0 2")).copies).toEqual([
      { attention: 0, ffn: 0 },
      { attention: 1, ffn: 0 },
      { attention: 2, ffn: 2 },
    ]);
  });

  it.each([
    ["0 a1", "step 1 (a1) is not followed by a feed-forward half"],
    ["a0 a1 f1", "step 0 (a0) is not followed by a feed-forward half"],
    ["f0 a0", "step 0 (f0) is not preceded by an attention half"],
    ["0-19 f20-29", "step 20 (f20) is not preceded by an attention half"],
  ])("refuses %j, which has a half without a partner", (text, message) => {
    expect(() => unroll(of(text))).toThrow(
      expect.objectContaining({ code: "schedule-unroll", message: expect.stringContaining(message) }),
    );
  });
});
