import fc from "fast-check";
import { expect, it, describe as suite } from "vitest";
import { BLOCKS, someSteps } from "./arbitrary.testing.ts";
import { describe } from "./describe.ts";
import { steps } from "./expand.ts";
import { parseSchedule } from "./parse.ts";

suite("describe", () => {
  it.each([
    ["0-29", "Plays 30 of 30 blocks, each once: 30 steps."],
    ["each(0-29)x2", "Plays 30 of 30 blocks, each twice in a row: 60 steps."],
    ["(0-29)x3", "Plays 30 of 30 blocks in turn, 3 times over: 90 steps."],
    ["0-29 29-0", "Plays 30 of 30 blocks, forwards and then backwards: 60 steps."],
    ["29-0", "Plays 30 of 30 blocks, each once, in another order: 30 steps."],
    ["0-20 27-29", "Plays 24 of 30 blocks, each once: 24 steps. Drops blocks 21-26 (6 of 30)."],
    ["0-4 6-28", "Plays 28 of 30 blocks, each once: 28 steps. Drops blocks 5 and 29 (2 of 30)."],
    ["0-28", "Plays 29 of 30 blocks, each once: 29 steps. Drops block 29 (1 of 30)."],
    ["0-29 28-29", "Plays 30 of 30 blocks, each 1 to 2 times: 32 steps."],
    ["0-1 2-29 2-29 0-1", "Plays 30 of 30 blocks, each twice: 60 steps."],
    ["0-19 f20-29", "Plays 30 of 30 blocks, each once: 30 steps. Uses only the feed-forward of blocks 20-29."],
    [
      "0-27 a28 f29",
      "Plays 30 of 30 blocks, each once: 30 steps. Uses only the attention of block 28 and only the feed-forward of block 29.",
    ],
    ["a0 f0 a1-29 f0x2", "Plays 30 of 30 blocks, each 1 to 3 times: 33 steps. Uses only the attention of blocks 1-29."],
    ["0 a1 f1 2-29", "Plays 30 of 30 blocks, each once: 31 steps."],
  ])("%j", (text, words) => {
    expect(describe(steps(parseSchedule(text)), 30)).toBe(words);
  });

  it("says how few", () => {
    expect(describe(steps(parseSchedule("0x12")), 1)).toBe("Plays 1 of 1 block, 12 times in a row: 12 steps.");
    expect(describe(steps(parseSchedule("0")), 1)).toBe("Plays 1 of 1 block, once: 1 step.");
  });

  it("accounts for every block, whatever is played", () => {
    fc.assert(
      fc.property(someSteps, (played) => {
        const words = describe(played, BLOCKS);
        const kept = Number(/^Plays (\d+) of 12 blocks/.exec(words)![1]);
        const dropped = Number(/\((\d+) of 12\)\.$/.exec(words)?.[1] ?? 0);
        expect(kept + dropped).toBe(BLOCKS);
        expect(words).not.toMatch(/undefined|NaN/);
      }),
    );
  });
});
