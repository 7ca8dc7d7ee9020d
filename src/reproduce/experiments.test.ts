import { describe, expect, it } from "vitest";
import { parseConfig } from "../model/config.ts";
import { trainingConfig } from "../train/config.ts";
import { armOf } from "./experiment.ts";
import { experiments } from "./experiments.ts";
import { llama, sized, uniqueParameters } from "./shapes.ts";

describe.each(experiments.map((experiment) => [experiment.name, experiment] as const))("%s", (_, experiment) => {
  it("has arms of different names that can be trained, and claims about arms that it has", () => {
    expect(new Set(experiment.arms.map(({ name }) => name)).size).toBe(experiment.arms.length);
    for (const { model, schedule, relaxed } of experiment.arms) {
      expect(() => parseConfig(model, "arm")).not.toThrow();
      const { vocab_size: __, ...keys } = model;
      const objective = model.model_type === "albert" ? "masked" : undefined;
      const training = { steps: 1, length: 32, ...(objective && { objective }) };
      const file = { model: keys, data: { files: "x.txt" }, training, ...(schedule && { schedule }) };
      expect(() => trainingConfig({ ...file, ...(relaxed && { relaxed }) }, "arm.json")).not.toThrow();
    }
    for (const { better, worse } of experiment.claims) {
      expect(armOf(experiment, better)).not.toBe(armOf(experiment, worse));
    }
  });
});

describe("equal parameters", () => {
  it.each(["mobilellm", "takase-kiyono"])("are those of the first arm within 1.5 %% in %s", (name) => {
    const { arms } = experiments.find((experiment) => experiment.name === name)!;
    const first = uniqueParameters(arms[0]!);
    for (const arm of arms) expect(Math.abs(uniqueParameters(arm) / first - 1), arm.name).toBeLessThan(0.015);
  });

  it("are found by the dimension that is left open", () => {
    const make = (ffn: number) => ({ model: llama({ width: 32, blocks: 2, heads: 2, ffn }) });
    expect(sized(uniqueParameters(make(120)), make)).toEqual(make(120));
    expect(sized(uniqueParameters(make(120)) + 300, make)).toEqual(make(120));
  });
});
