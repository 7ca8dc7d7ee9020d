import { expect, it } from "vitest";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { parseConfig } from "./config.ts";
import { layoutOf, savedConfig } from "./save-model.ts";

const qwen2 = {
  model_type: "qwen2",
  vocab_size: 100,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 6,
  num_attention_heads: 4,
  use_sliding_window: true,
  sliding_window: 8,
};

/** What the saved config says of each block's window. */
function windowsAfter(original: Record<string, unknown>, schedule: string) {
  const layout = layoutOf(expand(parseSchedule(schedule)), false);
  const saved = savedConfig(original, parseConfig(original, "config.json"), layout, "float32");
  return parseConfig(saved, "saved").windows;
}

it("every block keeps its own window when blocks are dropped or change places", () => {
  const full = undefined;
  const counted = { ...qwen2, max_window_layers: 4 };
  expect(parseConfig(counted, "config.json").windows).toEqual([full, full, full, full, 8, 8]);
  expect(windowsAfter(counted, "0-1 5")).toEqual([full, full, 8]);
  expect(windowsAfter(counted, "5 2 4")).toEqual([8, full, 8]);

  const types = ["full_attention", "sliding_attention", "full_attention"].flatMap((type) => [type, type]);
  expect(windowsAfter({ ...qwen2, layer_types: types }, "3 0 2x2")).toEqual([8, full, 8]);
});

it("the block count and the schedule follow the blocks that are written", () => {
  const config = parseConfig(qwen2, "config.json");
  const shared = savedConfig(qwen2, config, layoutOf(expand(parseSchedule("each(2-4)x2")), false), "float32");
  expect(shared).toMatchObject({ num_hidden_layers: 3, refrain: { schedule: "each(0-2)x2" } });
  const plain = savedConfig(qwen2, config, layoutOf(expand(parseSchedule("each(2-4)x2")), true), "float32");
  expect(plain.num_hidden_layers).toBe(6);
  expect(plain.refrain).toBeUndefined();
});
