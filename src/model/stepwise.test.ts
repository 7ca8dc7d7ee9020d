import { describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { load, type Model, type WeightType } from "../refrain.ts";

/** Longer than a chunk of 128 where the context allows it. */
const text = (model: Model, length: number): number[] =>
  Array.from({ length: Math.min(length, model.config.contextLength) }, (_, i) => (i * 37 + 1) % model.config.vocabSize);

async function sessionLosses(model: Model, tokens: readonly number[]): Promise<number[]> {
  const session = model.session({ output: "loss", contextLength: tokens.length });
  const losses: number[] = [];
  for (let at = 0; at < tokens.length - 1; at += session.maxRows) {
    const end = Math.min(at + session.maxRows, tokens.length - 1);
    session.play(tokens.slice(at, end), { targets: tokens.slice(at + 1, end + 1) });
    losses.push(...session.losses(end - at));
  }
  session.dispose();
  return losses;
}

describe("a model played step by step", () => {
  it.each<[string, string, WeightType | undefined]>([
    ["models/llama-gqa", "0-1", "f32"],
    ["models/llama-gqa", "1 a0 f1 0x2", "q4"],
    ["models/qwen3", "0-1", "q8"],
    ["models/gpt2", "f0 1 a1", "f16"],
    ["models/mistral", "0-1", undefined],
    ["gguf/llama-gqa.gguf", "0-1", undefined],
  ])("of %s as %s in %s gives the losses of a session, to the bit", async (source, schedule, weights) => {
    const model = await load(fixturePath(source), { schedule, weights, threads: 2 });
    try {
      const tokens = text(model, 200);
      const player = model.stepwise(tokens.length);
      // A second sequence beside it must not be noticed.
      let both = [player.embed(tokens), player.embed([...tokens].reverse())];
      for (const step of model.steps) both = player.step(step, both);
      expect([...player.losses(tokens, [both[0]!])[0]!]).toEqual(await sessionLosses(model, tokens));
      expect([...player.losses([...tokens].reverse(), [both[1]!])[0]!]).toEqual(
        await sessionLosses(model, [...tokens].reverse()),
      );
    } finally {
      await model.dispose();
    }
  });

  it("reads no more than the model can", async () => {
    const model = await load(fixturePath("models/llama-gqa"), { threads: 1 });
    expect(() => model.stepwise(1 << 20)).toThrow(expect.objectContaining({ code: "context" }));
    await model.dispose();
  });
});
