import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Experiment } from "./experiment.ts";
import { type Conditions, runExperiment } from "./run.ts";

let out: string;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "refrain-reproduce-"));
});
afterEach(() => rm(out, { recursive: true }));

const experiment: Experiment = {
  name: "x",
  title: "",
  paper: "",
  objective: "next token",
  arms: ["a", "b"].map((name) => ({ name, what: name, model: {} })),
  claims: [],
  remarks: [],
};
const conditions: Conditions = {
  experiment: "x",
  text: { name: "t", sha256: "1" },
  tokens: 10,
  recipe: "slowly",
  threads: 1,
  refrain: "0",
};
/** Runs the experiment; `failAt` counts trainings from 1. */
async function run(seeds: number, failAt = 0, changed: Partial<Conditions> = {}) {
  const trained: string[] = [];
  const outcomes = runExperiment(experiment, {
    out,
    seeds,
    conditions: { ...conditions, ...changed },
    train: async ({ arm, seed }) => {
      trained.push(`${arm.name}${seed}`);
      if (trained.length === failAt) throw new Error("stopped");
      return { loss: seed, seconds: 1 };
    },
  });
  return { trained, outcomes: await outcomes };
}

describe("an experiment", () => {
  it("sees every arm before the next seed, and keeps what is done", async () => {
    const { trained, outcomes } = await run(2);
    expect(trained).toEqual(["a0", "b0", "a1", "b1"]);
    expect(outcomes).toHaveLength(4);
    expect((await run(2)).trained).toEqual([]);
    expect((await run(3)).trained).toEqual(["a2", "b2"]);
  });

  it("goes on with the arm that was stopped", async () => {
    await expect(run(2, 3)).rejects.toThrow("stopped");
    const { trained, outcomes } = await run(2);
    expect(trained).toEqual(["a1", "b1"]);
    expect(outcomes.map(({ arm, seed }) => `${arm}${seed}`)).toEqual(["a0", "b0", "a1", "b1"]);
  });

  it.each<[string, Partial<Conditions>]>([
    ["tokens", { tokens: 11 }],
    ["text", { text: { name: "t", sha256: "2" } }],
    ["recipe", { recipe: "fast" }],
    ["refrain", { refrain: "1" }],
    ["experiment", { experiment: "y" }],
  ])("refuses results of another %s", async (what, changed) => {
    await run(1);
    await expect(run(1, 0, changed)).rejects.toMatchObject({
      code: "other-conditions",
      message: expect.stringContaining(`another ${what}`),
    });
  });

  it.each(["", "{", "[]", '{"conditions":{},"outcomes":[]}'])("refuses damaged results: %s", async (text) => {
    await writeFile(join(out, "results.json"), text);
    await expect(run(1)).rejects.toMatchObject({ code: "results", message: expect.stringContaining("results.json") });
  });
});
