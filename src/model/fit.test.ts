import { expect, it } from "vitest";
import { identitySteps } from "../schedule/schedule.ts";
import { parseConfig } from "./config.ts";
import { footprint, refuseIfTooLarge } from "./fit.ts";
import { planSession } from "./session.ts";

/** Llama 3 8B. */
const config = parseConfig(
  {
    model_type: "llama",
    vocab_size: 128256,
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    max_position_embeddings: 8192,
  },
  "config.json",
);
const planned = (type: "f16" | "q4", context: number) =>
  planSession(config, identitySteps(32), () => type, 2, { contextLength: context }).plan;

it("adds weights, caches and working memory up before anything is loaded", () => {
  const { weights, caches, total } = footprint(planned("f16", 1024));
  expect(weights / 1e9).toBeCloseTo(16.06, 1);
  // 32 steps, keys and values, 8 heads of 128, f32.
  expect(caches).toBe(32 * 2 * 8 * 128 * 4 * 1024);
  expect(total).toBeGreaterThan(weights + caches);
});

it("refuses what WebAssembly cannot address, with the figures", () => {
  expect(() => refuseIfTooLarge(planned("f16", 1024), "llama-3-8b", 64e9)).toThrow(
    /llama-3-8b: 16\.06 GB of weights and 0\.27 GB of cache for 1024 tokens are more than the 4\.29 GB/,
  );
});

it("refuses what the machine has no memory for, and takes what fits", () => {
  const small = planSession(config, identitySteps(2), () => "q4", 2, { contextLength: 256 }).plan;
  expect(() => refuseIfTooLarge(small, "two blocks", 0.5e9)).toThrow(/more than the 0\.50 GB of memory that are free/);
  expect(() => refuseIfTooLarge(small, "two blocks", 8e9)).not.toThrow();
});
