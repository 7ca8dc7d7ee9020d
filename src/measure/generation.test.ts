import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyModel } from "../cli/tiny-model.testing.ts";
import { load, type Model } from "../refrain.ts";
import { continuations, passages, repetition, teacherLoss } from "./generation.ts";
import { nextTokenLosses } from "./next-token-losses.ts";

let model: Model;
let remove: () => Promise<void>;
beforeAll(async () => {
  const tiny = await tinyModel();
  remove = tiny.remove;
  model = await load(tiny.path);
});
afterAll(async () => {
  await model.dispose();
  await remove();
});

const text = "The cat sat on the mat and looked at the moon. ".repeat(8);
const sizes = { count: 3, promptTokens: 16, newTokens: 24 };
const given = () => passages(model.needTokenizer(), model.needTokenizer().encode(text), sizes);

describe("repetition", () => {
  it("counts the n-grams that have stood before", () => {
    const { repeated, distinct } = repetition([{ tokens: [1, 2, 1, 2, 1, 2, 1] }, { tokens: [1, 2, 3, 4, 5, 6, 7] }]);
    // 1212, 2121, 1212, 2121: two of four are new; the other has four of four.
    expect(repeated.value).toBe(0.25);
    expect(distinct).toEqual([7 / 14, 7 / 12, 7 / 10, 6 / 8]);
  });

  it("of one token over and over is nearly everything", () => {
    expect(repetition([{ tokens: Array(64).fill(9) }]).repeated.value).toBeCloseTo(60 / 61, 10);
  });
});

describe("passages and continuations", () => {
  it("cut the text into prompts and what follows them", () => {
    const cut = given();
    expect(cut).toHaveLength(3);
    expect(cut.map(({ prompt, continuation }) => prompt + continuation).join("")).toBe(text.slice(0, 120));
    expect(cut.map(({ tokens }) => tokens.length)).toEqual([24, 24, 24]);
  });

  it("are what the model says, each prompt by itself; the same seed says the same", async () => {
    const greedy = await continuations(model, given(), { temperature: 0 });
    for (const { prompt, continuation, tokens } of greedy) {
      expect(tokens).toHaveLength(24);
      const said = model.generate(prompt, { maxTokens: 24, temperature: 0, ignoreStops: true });
      let expected = "";
      for await (const piece of said) expected += piece;
      expect(continuation).toBe(expected);
    }
    const [a, b] = [7, 7].map((seed) => continuations(model, given(), { temperature: 1, seed }));
    expect(await a).toEqual(await b);
  });

  it("a text too short for one of them is refused", () => {
    expect(() => passages(model.needTokenizer(), [5, 6, 7], sizes)).toThrowError(
      expect.objectContaining({ code: "text-too-short" }),
    );
  });
});

describe("the teacher", () => {
  it("loses as much as the continuation alone costs it", async () => {
    const session = model.session({ output: "loss" });
    const cut = given();
    const found = await teacherLoss(session, model.needTokenizer(), cut);
    const losses: number[] = [];
    for (const { prompt, continuation } of cut) {
      session.rewind(0);
      const tokens = model.needTokenizer().encode(prompt + continuation);
      const all = await nextTokenLosses(session, tokens, 15);
      losses.push(all.reduce((sum, loss) => sum + loss, 0) / 24);
    }
    expect(found.value).toBeCloseTo(losses.reduce((a, b) => a + b) / 3, 6);
    session.dispose();
  });
});
