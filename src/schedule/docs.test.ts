import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { dropRange, repeatEach } from "./edits.ts";
import { steps } from "./expand.ts";
import { parseSchedule } from "./parse.ts";
import { printSchedule, printSteps } from "./print.ts";

const page = readFileSync(new URL("../../docs/schedule.md", import.meta.url), "utf8");
const rows = (heading: string) =>
  [
    ...page
      .split(`## ${heading}\n`)[1]!
      .split("\n## ")[0]!
      .matchAll(/^\| (.+) \| (.+) \|$/gm),
  ].map((row) => row.slice(1));

describe("docs/schedule.md", () => {
  it("has techniques in canonical form", () => {
    const techniques = rows("What the techniques look like").flatMap(([, cell]) => [...cell!.matchAll(/`([^`]+)`/g)]);
    expect(techniques.length).toBeGreaterThan(10);
    for (const [, text] of techniques) expect(printSchedule(parseSchedule(text!))).toBe(text);
  });

  it("has a table of notation that parses, and plays what it says", () => {
    const notation = rows("Notation").slice(2);
    expect(notation.length).toBeGreaterThan(8);
    for (const [written, played] of notation) {
      const [text] = [...written!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
      const schedule = parseSchedule(text!);
      const expected = /^`([^`]+)`/.exec(played!)?.[1];
      if (expected) expect(steps(schedule)).toEqual(steps(parseSchedule(expected)));
    }
  });

  it("has the print of its code example", () => {
    const printed = printSteps(repeatEach(dropRange(steps(parseSchedule("0-29")), 21, 26), 2));
    expect(page).toContain(`// "${printed}"`);
  });
});
