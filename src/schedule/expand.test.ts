import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { playable, written } from "./arbitrary.testing.ts";
import { exits, steps, stretches } from "./expand.ts";
import { parseSchedule } from "./parse.ts";

const played = (text: string) => written(steps(parseSchedule(text))).join(" ");

describe("steps", () => {
  it.each([
    ["0-3", "0 1 2 3"],
    ["3-1", "3 2 1"],
    ["a1-0 f2", "a1 a0 f2"],
    ["0x3", "0 0 0"],
    ["(0-1)x2 2", "0 1 0 1 2"],
    ["each(0-1 a2)x2", "0 0 1 1 a2 a2"],
    ["each((0-1)x2)x2", "0 0 1 1 0 0 1 1"],
    ["((0 1)x2 2)x2", "0 1 0 1 2 0 1 0 1 2"],
    ["0-1! (2!)x2", "0 1 2 2"],
  ])("of %j are %j", (text, expected) => {
    expect(played(text)).toBe(expected);
  });

  it("are as many as the items say", () => {
    fc.assert(
      fc.property(playable, playable, fc.integer({ min: 1, max: 4 }), (a, b, n) => {
        const length = steps(parseSchedule(`(${a.text} ${b.text})x${n} each(${b.text})x${n}`)).length;
        expect(length).toBe(n * (a.plays.length + 2 * b.plays.length));
      }),
    );
  });

  it.each([
    ["0x*", '"x*" repeats until a halting unit says stop'],
    ["0 (1-2)x* 3", '"x*" repeats until a halting unit says stop'],
    ["0 1~0.125", '"~" lets only the tokens through that a router picks'],
  ])("refuses to play %j, which a checkpoint must bring a part for", (text, why) => {
    expect(() => played(text)).toThrow(
      expect.objectContaining({ code: "schedule-open", message: `schedule: "${text}" cannot be played: ${why}` }),
    );
  });
});

describe("exits", () => {
  it.each([
    ["0-5! 6-11! 12-17!", [6, 12, 18]],
    ["(0-1!)x3 2", [2, 4, 6]],
    ["(0!)! 1", [1]],
    ["0x2! (1-2)x*! 3", [2, 4]],
    ["0-5", []],
  ])("of %j are after %j steps", (text, expected) => {
    expect(exits(parseSchedule(text))).toEqual(expected);
  });
});

describe("stretches", () => {
  it("are cut at exits and around open loops, and carry capacities", () => {
    const block = (n: number) => ({ block: n, part: "block" });
    expect(stretches(parseSchedule("0 1~0.5! (2)x* 3"))).toEqual([
      { steps: [block(0), { ...block(1), capacity: 0.5 }], open: false, exit: true },
      { steps: [block(2)], open: true, exit: false },
      { steps: [block(3)], open: false, exit: false },
    ]);
  });
});
