import { describe, expect, it } from "vitest";
import { modelCost } from "../measure/cost.ts";
import type { Profile } from "../measure/profile.ts";
import { parseConfig } from "../model/config.ts";
import { identitySteps } from "../schedule/schedule.ts";
import { comparison } from "./comparison.ts";
import { lambada, taskResult } from "./task-results.testing.ts";

const config = parseConfig(
  {
    model_type: "llama",
    vocab_size: 100,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 4,
    num_attention_heads: 4,
  },
  "config.json",
);

function profile(layers: number, perplexity: number | undefined, tasks: Profile["tasks"] = []): Profile {
  return {
    schedule: `0-${layers - 1}`,
    cost: modelCost(config, identitySteps(layers)),
    weightBytes: layers * 1e6,
    kvBytesPerToken: layers * 512,
    perplexity: perplexity === undefined ? undefined : ({ perplexity } as Profile["perplexity"]),
    tasks,
    speed: { decodeMilliseconds: 4 * layers, tokensPerSecond: 250 / layers, tokens: 32 },
    sample: undefined,
  };
}

describe("comparison", () => {
  it("has the first model's figures, and the others' with their ratios to it", () => {
    const { columns, rows } = comparison([
      { name: "A", profile: profile(4, 20) },
      { name: "B", profile: profile(2, 1234.5) },
    ]);
    expect(columns.map(({ title }) => title)).toEqual(["", "A", "B"]);
    expect(rows).toContainEqual(["layers played", "4", "2  0.50×"]);
    expect(rows).toContainEqual(["weights in memory", "4.0 MB", "2.0 MB  0.50×"]);
    expect(rows).toContainEqual(["perplexity", "20.00", "1,235  61.7×"]);
    expect(rows).toContainEqual(["decode, tok/s", "62.5", "125  2.00×"]);
    expect(rows).toHaveLength(7);
  });

  it("leaves out what was not measured for all", () => {
    const { rows } = comparison([
      { name: "A", profile: profile(4, 20) },
      { name: "B", profile: profile(4, undefined) },
    ]);
    expect(rows.map(([name]) => name)).not.toContain("perplexity");
    expect(rows).toHaveLength(6);
  });

  it("has the shares of tasks with their errors, differences item by item, the mean, and perplexities", () => {
    const { rows } = comparison([
      { name: "A", profile: profile(4, 20, [taskResult("PIQA", 0.66), lambada(0.3, 40)]) },
      { name: "B", profile: profile(2, 90, [taskResult("PIQA", 0.6), lambada(0, 4e9)]) },
    ]);
    expect(rows.slice(7)).toEqual([
      ["PIQA, acc", "66.0 ± 2.0 %", "60.0 ± 2.0 %  −6.0 ± 1.7"],
      ["LAMBADA, acc", "30.0 ± 3.0 %", "0.0 ± 3.0 %  −30.0 ± 3.2"],
      ["mean of 2 tasks", "48.0 ± 1.8 %", "30.0 ± 1.8 %  −18.0 ± 1.8"],
      ["LAMBADA, perplexity", "40.00 ± 4.0", "4.0 G ± 400.0 M"],
    ]);
  });
});
