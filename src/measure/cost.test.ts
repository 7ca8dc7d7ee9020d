import { describe, expect, it } from "vitest";
import { parseConfig } from "../model/config.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { identitySteps } from "../schedule/schedule.ts";
import { decodeFlops, modelCost } from "./cost.ts";

type Shape = readonly [layers: number, heads: number, kvHeads: number, hidden: number, ffn: number];

const mobileLlm = ([layers, heads, kvHeads, hidden, ffn]: Shape, tied: boolean) =>
  parseConfig(
    {
      model_type: "mobilellm",
      vocab_size: 32000,
      hidden_size: hidden,
      intermediate_size: ffn,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: kvHeads,
      share_embedding: tied,
    },
    "config.json",
  );

describe("the cost of a model", () => {
  // Facts of the MobileLLM configs (arXiv 2402.14905).
  for (const [name, shape, tied, untied] of [
    ["125M", [30, 9, 3, 576, 1536], 124_635_456, 143_067_456],
    ["350M", [32, 15, 5, 960, 2560], 345_355_200, 376_075_200],
    ["600M", [40, 18, 6, 1152, 3072], 603_188_352, 640_052_352],
    ["1B", [54, 20, 5, 1280, 3584], 1_005_461_760, 1_046_421_760],
    ["1.5B", [54, 25, 5, 1600, 4352], 1_511_188_800, 1_562_388_800],
  ] as const) {
    it(`counts the parameters of MobileLLM-${name}`, () => {
      for (const [isTied, expected] of [
        [true, tied],
        [false, untied],
      ] as const) {
        const config = mobileLlm(shape, isTied);
        expect(modelCost(config, identitySteps(config.blocks)).uniqueParameters).toBe(expected);
      }
    });
  }

  it("gives GPT-2's tied embedding 31.02 % of 124,439,808", () => {
    const config = parseConfig(
      { model_type: "gpt2", vocab_size: 50257, n_embd: 768, n_layer: 12, n_head: 12, n_positions: 1024 },
      "config.json",
    );
    const cost = modelCost(config, identitySteps(12));
    expect(cost.uniqueParameters).toBe(124_439_808);
    expect(cost.parts.find(({ part }) => part === "embedding")!.share).toBeCloseTo(0.3102, 4);
  });

  it("stores a block once however often it is played, but caches and computes every play", () => {
    const config = mobileLlm([30, 9, 3, 576, 1536], true);
    const once = modelCost(config, identitySteps(30));
    const twice = modelCost(config, expand(parseSchedule("each(0-29)x2")));
    expect(twice.uniqueParameters).toBe(once.uniqueParameters);
    expect(twice.bytes).toEqual(once.bytes);
    for (const type of ["f32", "q8"] as const) {
      expect(twice.kvBytesPerToken[type]).toBe(2 * once.kvBytesPerToken[type]);
    }
    expect(twice.effectiveDepth).toBe(60);
    expect(twice.effectiveParameters - once.effectiveParameters).toBe(
      30 * (2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536 + 2 * 576),
    );
  });

  it("counts only the halves that are played", () => {
    const config = mobileLlm([4, 9, 3, 576, 1536], true);
    const cost = modelCost(config, expand(parseSchedule("a0 f0 a1 f0 a2 f0")));
    expect(cost.parts.find(({ part }) => part === "ffn")!.unique).toBe(3 * 576 * 1536);
    expect(cost.parts.find(({ part }) => part === "ffn")!.effective).toBe(3 * 3 * 576 * 1536);
    expect(cost.kvSlots).toBe(3);
  });

  it("counts what attention looks at: itself, all before it, and no further than its window", () => {
    const config = mobileLlm([2, 9, 3, 576, 1536], true);
    const steps = expand(parseSchedule("a0-1 f1"));
    const { flopsPerToken } = modelCost(config, steps);
    const products = 4 * 9 * 64;
    expect(decodeFlops(config, steps, 0)).toBe(flopsPerToken + 2 * products);
    expect(decodeFlops(config, steps, 99)).toBe(flopsPerToken + 200 * products);
    const windowed = { ...config, windows: [undefined, 8] };
    expect(decodeFlops(windowed, steps, 6)).toBe(flopsPerToken + 14 * products);
    expect(decodeFlops(windowed, steps, 99)).toBe(flopsPerToken + 108 * products);
  });

  it("counts operations: two a weight, the vocabulary projection included", () => {
    const config = mobileLlm([1, 9, 3, 576, 1536], true);
    const weights = 2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536 + 32000 * 576;
    expect(modelCost(config, identitySteps(1)).flopsPerToken).toBe(2 * weights);
  });
});
