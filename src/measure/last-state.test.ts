import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { load, type Model } from "../refrain.ts";
import { storedRows } from "../weights/computed-tensor.ts";
import { openCheckpoint } from "../weights/open.ts";
import { lastStates, meanCosine } from "./last-state.ts";

describe.each([
  ["models/llama-gqa", "model.embed_tokens.weight"],
  ["models/gpt2", "transformer.wte.weight"],
])("the last states of %s", (name, head) => {
  let model: Model;
  beforeAll(async () => {
    model = await load(fixturePath(name), { weights: "f32", threads: 1 });
  });
  afterAll(() => model.dispose());

  it("are what the output projection turns into logits", async () => {
    const sentences = [
      [1, 5, 9, 2, 7],
      [3, 3],
    ];
    const states = await lastStates(model, sentences);
    const D = model.config.hiddenSize;
    expect(states.map((state) => state.length)).toEqual([5 * D, 2 * D]);
    const checkpoint = await openCheckpoint(model.path);
    const table = await storedRows(checkpoint, checkpoint.tensors.get(head)!, 0, model.config.vocabSize);
    await checkpoint.close();
    const session = model.session({ output: "all-logits" });
    for (const [i, sentence] of sentences.entries()) {
      session.rewind(0);
      session.play(sentence);
      for (const row of sentence.keys()) {
        const logits = session.logits(row);
        for (const token of [0, 17, 130]) {
          let expected = 0;
          for (let c = 0; c < D; c++) expected += states[i]![row * D + c]! * table[token * D + c]!;
          expect(Math.abs(logits[token]! - expected)).toBeLessThan(1e-5);
        }
      }
    }
    session.dispose();
  });

  it("are the same in chunks", async () => {
    const tokens = Array.from({ length: 60 }, (_, i) => (i * 7) % 100);
    const [whole] = await lastStates(model, [tokens]);
    const [start] = await lastStates(model, [tokens.slice(0, 30)]);
    expect(whole!.subarray(0, start!.length)).toEqual(start);
  });
});

describe("meanCosine", () => {
  it("takes a sentence as one vector, and the mean over sentences", () => {
    const a = [Float32Array.of(1, 0, 0, 2), Float32Array.of(3, 4)];
    const b = [Float32Array.of(0, 1, 0, 2), Float32Array.of(-3, -4)];
    expect(meanCosine(a, b)).toBeCloseTo((4 / 5 - 1) / 2, 15);
    expect(meanCosine(a, a)).toBe(1);
  });
});
