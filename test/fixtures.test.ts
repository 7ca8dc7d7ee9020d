import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fixturePath, readReference, readSmolLM2Reference, readStories260KReference } from "./fixtures.ts";

describe("the fixtures agree with themselves", () => {
  it.each(readdirSync(fixturePath("models")))("%s", (name) => {
    const { model, sequences } = readReference(name);
    expect(model).toBe(name);
    expect(sequences.map(({ ids }) => ids.length)).toEqual([26, 11]);
    for (const { ids, logits, hidden, greedy, greedyMinGap } of sequences) {
      const [tokens, vocab] = logits.shape as [number, number];
      expect([tokens, hidden.shape[1]]).toEqual([ids.length, ids.length]);
      if (name.startsWith("albert")) continue;
      expect(argmax(logits.values.subarray((tokens - 1) * vocab))).toBe(greedy[0]);
      expect(greedy).toHaveLength(32);
      expect(greedyMinGap).toBeGreaterThan(0.01);
    }
  });

  it("smollm2", () => {
    const { prompts, weights, text, passage, perplexity } = readSmolLM2Reference();
    for (const references of Object.values(weights)) {
      expect(references).toHaveLength(prompts.length);
      for (const { topIds, greedy } of references) expect(topIds[0]).toBe(greedy[0]);
    }
    expect(passage.angularDistance.map((row) => row.length)).toEqual(
      Array.from({ length: 30 }, (_, start) => 30 - start),
    );
    expect(text.ids).toHaveLength(perplexity.tokens);
    expect(Math.exp(perplexity.meanNll)).toBeCloseTo(perplexity.perplexity, 9);
  });

  it("stories260K", () => {
    const { prompts, text, perplexity } = readStories260KReference();
    for (const { logits, greedy } of prompts) {
      expect(logits.shape).toEqual([512]);
      expect(argmax(logits.values)).toBe(greedy[0]);
    }
    expect(text.ids).toHaveLength(perplexity.tokens);
  });
});

function argmax(values: Float32Array): number {
  return values.reduce((best, value, index) => (value > values[best]! ? index : best), 0);
}
