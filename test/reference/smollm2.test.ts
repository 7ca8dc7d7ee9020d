/**
 * SmolLM2-135M-Instruct against PyTorch/transformers: logits, greedy tokens, perplexity and similarity of hidden states,
 * from every form of file. The files come from `npm run fetch-models` and test/fixtures/make-smollm2.py.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { observe } from "../../src/measure/observe.ts";
import { perplexity } from "../../src/measure/perplexity.ts";
import { load, type Model, type WeightType } from "../../src/refrain.ts";
import { cachePath } from "../data.ts";
import { readSmolLM2Reference } from "../fixtures.ts";

const reference = readSmolLM2Reference();
const argmax = (logits: Float32Array) => logits.reduce((best, value, i) => (value > logits[best]! ? i : best), 0);

const forms: readonly {
  form: keyof typeof reference.weights;
  file: string;
  weights: WeightType | undefined;
  tolerance: number;
}[] = [
  { form: "q4_1", file: "SmolLM2-135M-Instruct.Q4_1.gguf", weights: "f32", tolerance: 1e-3 },
  { form: "q8_0", file: "smollm2-q8_0.gguf", weights: "f32", tolerance: 1e-3 },
  { form: "f16", file: "smollm2-f16.gguf", weights: undefined, tolerance: 2e-2 },
  { form: "f16", file: "smollm2-f16", weights: "f32", tolerance: 1e-3 },
  { form: "bf16", file: "smollm2-bf16", weights: "f32", tolerance: 1e-3 },
];

for (const { form, file, weights, tolerance } of forms) {
  const path = cachePath(file);
  const missing = path ? "" : ` (skipped: ${file} is not in the test cache)`;
  describe.skipIf(missing !== "")(`SmolLM2 ${file} as ${weights ?? "the file's own type"}${missing}`, () => {
    let model: Model;
    beforeAll(async () => {
      model = await load(path!, { weights });
    });
    afterAll(() => model.dispose());

    reference.prompts.forEach((prompt, i) => {
      it(`prompt ${i}: logits within ${tolerance} and 64 greedy tokens equal`, async () => {
        const expected = reference.weights[form][i]!;
        const session = model.session();
        let logits = await session.feed(prompt.ids);
        expected.topIds.forEach((id, k) => {
          expect(Math.abs(logits[id]! - expected.topLogits[k]!), `token ${id}`).toBeLessThanOrEqual(tolerance);
        });
        reference.columns.forEach((id, k) => {
          expect(Math.abs(logits[id]! - expected.columnLogits[k]!), `token ${id}`).toBeLessThanOrEqual(tolerance);
        });
        const greedy: number[] = [];
        while (greedy.length < expected.greedy.length) {
          greedy.push(argmax(logits));
          logits = await session.feed([greedy.at(-1)!]);
        }
        expect(greedy).toEqual(expected.greedy);
        session.dispose();
      });
    });

    if (form !== "q4_1") return;
    it("perplexity is what transformers' documented loop gives, within 0.01 %", { timeout: 300_000 }, async () => {
      const { window, stride, perplexityAsDocumented } = reference.perplexity;
      const session = model.session({ output: "loss", contextLength: window });
      const ours = await perplexity(session, reference.text.ids, { window, stride });
      expect(ours.perplexity / perplexityAsDocumented).toBeCloseTo(1, 4);
      expect(ours.predicted).toBe(reference.perplexity.predictedTokens);
      session.dispose();
    });

    it("Block Influence and angular distance are what PyTorch's hidden states give", async () => {
      const { tokens, blockInfluence, angularDistance } = reference.passage;
      const session = model.session({ hidden: true, contextLength: tokens });
      const ids = reference.text.ids.slice(0, tokens);
      const ours = await observe(session, ids, model.steps.length, model.config.hiddenSize, {
        window: tokens,
        windows: 1,
      });
      ours.influence.forEach((value, i) => {
        expect(value, `step ${i}`).toBeCloseTo(blockInfluence[i]!, 5);
      });
      angularDistance.forEach((row, start) => {
        row.forEach((value, n) => {
          expect(ours.angular[n]![start]!, `${start} + ${n + 1}`).toBeCloseTo(value, 4);
        });
      });
      session.dispose();
    });
  });
}
