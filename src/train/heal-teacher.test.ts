import { describe, expect, it } from "vitest";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { matchBoundaries } from "./heal-teacher.ts";

const match = (student: string, teacher: string) =>
  matchBoundaries(expand(parseSchedule(student)), expand(parseSchedule(teacher))).map((at) => [at.student, at.teacher]);

describe("hidden states are compared", () => {
  it("where a kept step is entered, and at the end", () => {
    expect(match("0-1 4 6", "0-7")).toEqual([
      [1, 1],
      [2, 4],
      [3, 6],
      [4, 8],
    ]);
    expect(match("0-2", "0-2")).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });

  it("at the end alone where the student plays something else", () => {
    expect(match("0 1 1 0", "0-3")).toEqual([[4, 4]]);
    expect(match("a0 f0", "0")).toEqual([[2, 1]]);
  });
});
