import { describe, expect, it } from "vitest";
import { fixturePath, readPseudoPerplexityReference } from "../../test/fixtures.ts";
import { fillMask } from "../generate/fill-mask.ts";
import type { Session } from "../model/session.ts";
import { load, type Model } from "../refrain.ts";
import { modelPseudoPerplexity, pseudoPerplexity } from "./pseudo-perplexity.ts";

const reference = readPseudoPerplexityReference();
const masks = {
  mask: reference.mask,
  special: new Set(reference.special),
  frame: { before: reference.before, after: reference.after },
};

async function withEncoder<T>(name: string, work: (model: Model, session: Session) => Promise<T>): Promise<T> {
  const model = await load(fixturePath(`models/${name}`), { weights: "f32", threads: 1 });
  const session = model.session({ output: "loss" });
  try {
    return await work(model, session);
  } finally {
    session.dispose();
    await model.dispose();
  }
}

describe("pseudo-perplexity", () => {
  it.each(Object.entries(reference.models))("is that of transformers, %s", async (name, { ids, cases }) => {
    await withEncoder(name, async (_, session) => {
      for (const { window, predicted, meanLoss, pseudoPerplexity: expected } of cases) {
        const found = await pseudoPerplexity(session, ids, masks, { window });
        expect(found).toMatchObject({ window, predicted, tokens: ids.length });
        expect(Math.abs(found.meanLoss - meanLoss), `window ${window}`).toBeLessThan(1e-5);
        expect(found.pseudoPerplexity / expected).toBeCloseTo(1, 5);
        expect(found.tokensRead).toBe(predicted * Math.min(window, ids.length + 2));
      }
    });
  });

  it("is the mean of what filling each mask gives the token that stood there", async () => {
    await withEncoder("albert", async (model, session) => {
      const ids = [9, 40, 77, 5, 130];
      const all = model.session({ output: "all-logits" });
      const losses = ids.map((id, place) => {
        const read = [...masks.frame.before, ...ids.with(place, masks.mask), ...masks.frame.after];
        const [filling] = fillMask(all, read, masks.mask, model.config.vocabSize);
        return -Math.log(filling!.candidates.find(({ token }) => token === id)!.probability);
      });
      all.dispose();
      const { meanLoss } = await pseudoPerplexity(session, ids, masks, { window: 64 });
      expect(meanLoss).toBeCloseTo(losses.reduce((a, b) => a + b) / ids.length, 5);
    });
  });

  it("tells how far it is, and a stop ends it", async () => {
    await withEncoder("albert", async (_, session) => {
      const { ids } = reference.models.albert!;
      const controller = new AbortController();
      const seen: number[] = [];
      const stopped = pseudoPerplexity(session, ids, masks, {
        window: 16,
        signal: controller.signal,
        onProgress: ({ done, total }) => {
          seen.push(done / total!);
          if (done === 3) controller.abort();
        },
      });
      await expect(stopped).rejects.toThrow();
      expect(seen).toEqual([1 / 45, 2 / 45, 3 / 45]);
    });
  });

  it.each([
    ["one token", [7], 64, "text-too-short"],
    ["special tokens alone", [0, 2, 3], 64, "text-too-short"],
    ["a window that its frame fills", [7, 8, 9], 3, "window"],
  ])("refuses %s", async (_, ids, window, code) => {
    await withEncoder("albert", async (_, session) => {
      await expect(pseudoPerplexity(session, ids, masks, { window })).rejects.toMatchObject({ kind: "input", code });
    });
  });

  it("needs a tokenizer", async () => {
    await withEncoder("albert", async (model) => {
      await expect(modelPseudoPerplexity(model, [1, 2])).rejects.toMatchObject({ code: "tokenizer-missing" });
    });
  });
});
