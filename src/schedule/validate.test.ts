import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLOCKS, playable } from "./arbitrary.testing.ts";
import { steps } from "./expand.ts";
import { parseSchedule } from "./parse.ts";
import { validateSchedule } from "./validate.ts";

describe("validateSchedule", () => {
  it.each([
    ["0-31 (31)x2", "block 31", "\n  0-31 (31)x2\n    ^^", 'Did you mean "0-29 (29)x2"?'],
    ["each(0-5 a030)x2", "block 30", "\n  each(0-5 a030)x2\n            ^^^", 'Did you mean "each(0-5 a29)x2"?'],
    ["40-31", "block 40", "\n  40-31\n  ^^", 'Did you mean "29-29"?'],
    ["30~0.5!", "block 30", "\n  30~0.5!\n  ^^", 'Did you mean "29~0.5!"?'],
  ])("refuses %j for a model of 30 blocks", (text, block, picture, suggestion) => {
    expect(() => validateSchedule(parseSchedule(text), 30)).toThrow(
      expect.objectContaining({
        code: "schedule-block",
        kind: "input",
        message: `schedule: the model has no ${block}, it has 30${picture}`,
        help: `Blocks are numbered 0 to 29. ${suggestion}`,
      }),
    );
  });

  it("suggests nothing that is too long to read", () => {
    expect(() => validateSchedule(parseSchedule("0 ".repeat(60) + 30), 30)).toThrow(
      expect.objectContaining({ help: "Blocks are numbered 0 to 29." }),
    );
  });

  it("accepts exactly the schedules whose steps are all there", () => {
    fc.assert(
      fc.property(playable, fc.integer({ min: 1, max: BLOCKS }), (sample, blocks) => {
        const schedule = parseSchedule(sample.text);
        const valid = steps(schedule).every((step) => step.block < blocks);
        const validate = () => validateSchedule(schedule, blocks);
        if (valid) expect(validate).not.toThrow();
        else expect(validate).toThrow(expect.objectContaining({ code: "schedule-block" }));
      }),
    );
  });
});
