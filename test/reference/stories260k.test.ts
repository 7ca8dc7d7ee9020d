/**
 * stories260K (a llama2.c checkpoint) against PyTorch/transformers: logits, greedy tokens, perplexity and similarity of
 * hidden states. The model is in the shared test data; test/fixtures/make-stories260k.py makes the reference.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { observe } from "../../src/measure/observe.ts";
import { perplexity } from "../../src/measure/perplexity.ts";
import { load, type Model } from "../../src/refrain.ts";
import { dataPath } from "../data.ts";
import { readStories260KReference } from "../fixtures.ts";

const reference = readStories260KReference();
const path = dataPath("models/stories260K/stories260K.bin");
const argmax = (logits: Float32Array) => logits.reduce((best, value, i) => (value > logits[best]! ? i : best), 0);

describe.skipIf(path === undefined)("stories260K (needs the shared test data)", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load(path!, { weights: "f32" });
  });
  afterAll(() => model.dispose());

  reference.prompts.forEach(({ text, ids, logits: expected, greedy }) => {
    it(`${JSON.stringify(text)}: every logit within 1e-3 and 64 greedy tokens equal`, async () => {
      const session = model.session();
      let logits = await session.feed(ids);
      expect(logits.length).toBe(expected.values.length);
      expected.values.forEach((value, token) => {
        expect(Math.abs(logits[token]! - value), `token ${token}`).toBeLessThanOrEqual(1e-3);
      });
      const ours: number[] = [];
      while (ours.length < greedy.length) {
        ours.push(argmax(logits));
        logits = await session.feed([ours.at(-1)!]);
      }
      expect(greedy).toHaveLength(64);
      expect(ours).toEqual(greedy);
      session.dispose();
    });
  });

  it("gives the same losses whatever was played before: rows of 172 outputs end within a block of 32", async () => {
    const packed = await load(path!, { weights: "q8" });
    const session = packed.session({ output: "loss", contextLength: 32 });
    const ids = reference.text.ids.slice(0, 32);
    const losses = () => {
      session.rewind(0);
      session.play(ids.slice(0, 31), { targets: ids.slice(1) });
      return session.losses(31);
    };
    const first = losses();
    expect(losses()).toEqual(first);
    session.dispose();
    await packed.dispose();
  });

  it.each(reference.passages)("similarity of tokens $begin to $end is PyTorch's", async (passage) => {
    const { begin, end, blockInfluence, angularDistance } = passage;
    const window = end - begin;
    const session = model.session({ hidden: true, contextLength: window });
    const ids = reference.text.ids.slice(begin, end);
    const ours = await observe(session, ids, model.steps.length, model.config.hiddenSize, { window, windows: 1 });
    blockInfluence.forEach((value, step) => {
      expect(ours.influence[step]!, `step ${step}`).toBeCloseTo(value, 5);
    });
    angularDistance.forEach((row, start) => {
      row.forEach((value, i) => {
        expect(ours.angular[i]![start]!, `${i + 1} steps from ${start}`).toBeCloseTo(value, 4);
      });
    });
    session.dispose();
  });

  it("perplexity is what transformers' documented loop gives", async () => {
    const { window, stride, perplexityAsDocumented, predictedTokens } = reference.perplexity;
    const session = model.session({ output: "loss", contextLength: window });
    const ours = await perplexity(session, reference.text.ids, { window, stride });
    expect(Math.abs(ours.perplexity / perplexityAsDocumented - 1)).toBeLessThan(1e-4);
    expect(ours.predicted).toBe(predictedTokens);
    session.dispose();
  });
});
