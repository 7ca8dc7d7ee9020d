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

  it("has the normal equations of the matrix that a half writes by", async () => {
    const model = await load(fixturePath("models/llama-gqa"), { weights: "f32", threads: 2 });
    try {
      const width = model.config.hiddenSize;
      const player = model.stepwise(100);
      const texts = [1, 2, 3].map((k) => text(model, 100).map((token) => (k * token + k) % model.config.vocabSize));
      const states = texts.map((tokens) => player.embed(tokens));
      const half = { block: 0, part: "ffn" } as const;
      const left = player.step(half, states);
      const none = player.normalEquations(half, states, left);
      expect(Math.max(...none.cross.map(Math.abs))).toBeLessThan(1e-4);
      // What the half adds is W z: so W (Σ w z zᵀ) is Σ w (W z) zᵀ, which is what is missing of twice the addition.
      const twice = left.map((y, s) => y.map((value, i) => 2 * value - states[s]![i]!));
      const { weight, gram, cross } = player.normalEquations(half, states, twice);
      const n = weight.columns;
      const w = model.memory.store.read(weight);
      expect(weight.name).toBe("model.layers.0.mlp.down_proj.weight");
      expect([gram.length, cross.length]).toEqual([n * n, width * n]);
      const largest = Math.max(...cross.map(Math.abs));
      for (let row = 0; row < width; row++) {
        for (let column = 0; column < n; column++) {
          let sum = 0;
          for (let k = 0; k < n; k++) sum += w[row * n + k]! * gram[k * n + column]!;
          expect(Math.abs(sum - cross[row * n + column]!)).toBeLessThan(1e-3 * largest);
        }
      }
      // Rows weigh as the squares of what is wanted there.
      const larger = twice.map((y) => y.map((value) => 2 * value));
      const weighed = player.normalEquations(half, states, larger).gram;
      for (const [i, value] of weighed.entries()) expect(value).toBeCloseTo(gram[i]! / 4, 3);
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
