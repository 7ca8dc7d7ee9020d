import { describe, expect, it } from "vitest";
import type { Experiment } from "./experiment.ts";
import { verdicts } from "./verdict.ts";

const experiment: Experiment = {
  name: "x",
  title: "",
  paper: "",
  objective: "next token",
  arms: [],
  claims: [{ says: "b beats a", better: "b", worse: "a" }],
  remarks: [],
};
const run = (arm: string, losses: readonly number[]) => losses.map((loss, seed) => ({ arm, seed, loss, seconds: 1 }));

const judged = (a: readonly number[], b: readonly number[]) =>
  verdicts(experiment, [...run("a", a), ...run("b", b)])[0]!;

describe("a claim", () => {
  it("holds where it does in every seed, and the gain is the mean of the pairs", () => {
    const { verdict, gain } = judged([2, 4], [1.5, 3]);
    expect(verdict).toBe("holds");
    expect(gain).toEqual({ mean: 0.75, least: 0.5, most: 1, count: 2 });
  });
  it("fails where it does in no seed, and is undecided where the seeds disagree", () => {
    expect(judged([2, 2], [3, 2]).verdict).toBe("fails");
    expect(judged([2, 2], [1, 3]).verdict).toBe("undecided");
  });
  it("is only pointed to by one seed, and compares only seeds that both arms have", () => {
    expect(judged([2], [1]).verdict).toBe("points");
    expect(judged([2], [3]).verdict).toBe("points away");
    expect(judged([2], [1, 0]).gain!.count).toBe(1);
    expect(judged([], [1]).verdict).toBe("not run");
  });
});
