import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { modelCost } from "../measure/cost.ts";
import { observeModel } from "../measure/observe.ts";
import { perplexity } from "../measure/perplexity.ts";
import { load, type Model } from "../refrain.ts";
import { autoMethod } from "./auto.ts";
import { type Candidate, keyOf, type Way, waysToShorten } from "./candidates.ts";
import { quarter, withFewerTokens } from "./fewer-tokens-too.ts";
import type { Tried } from "./front.ts";
import { memoryJournal } from "./journal.ts";
import type { Calibration, MethodContext } from "./method.ts";
import { waysToRewrite } from "./rewriting.ts";
import { carryOut } from "./shrink.ts";
import { tryCandidates } from "./try-candidates.ts";

const window = 16;
const windows = 12;
const story =
  "Once upon a time, there was a little girl named Lily. She liked to play in the park with a strange elephant.";

let model: Model;
let text: Calibration;
let parent: string;
beforeAll(async () => {
  model = await load(join(import.meta.dirname, "../../models/stories.gguf"), { threads: 1 });
  const tokens = model
    .needTokenizer()
    .encode(story.repeat(12))
    .slice(0, window * windows);
  text = { tokens, window, windows, text: { name: "a story", sha256: "0" } };
  parent = await mkdtemp(join(tmpdir(), "refrain-fewer-"));
});
afterAll(async () => {
  await model.dispose();
  await rm(parent, { recursive: true });
});

const context = (given: Partial<MethodContext> = {}): MethodContext => {
  return { model, amount: undefined, calibration: text, journal: memoryJournal(), ...given };
};

async function single(): Promise<Way[]> {
  const measured = await observeModel(model, text.tokens, { window, windows });
  const { ways } = waysToRewrite("untrained", context(), text, measured);
  return [...waysToShorten(model.steps, measured, undefined), ...ways];
}

it("a quarter is the least number that can go and is as much", () => {
  expect(quarter([32, 64, 96], 200)).toBe(64);
  expect(quarter([32, 64, 96], 256)).toBe(64);
  expect(quarter([32], 200)).toBeUndefined();
  expect(quarter([], 200)).toBeUndefined();
});

describe("with a quarter fewer tokens", () => {
  it("come all ways but the vocabulary itself, only where the whole is too large; none without it", async () => {
    const ways = await single();
    const both = withFewerTokens(ways, model.config);
    expect(both.map(({ name }) => name)).toEqual(
      [
        "angular",
        "influence",
        "share pairs",
        "angular, then share pairs",
        "tie",
        "width",
        "taylor",
        "collapse",
        "perplexity",
        "surgeon",
      ].map((name) => `a quarter fewer tokens and ${name}`),
    );
    expect(both.every(({ dear }) => dear)).toBe(true);
    const others = ways.filter(({ name }) => name !== "vocabulary");
    expect(withFewerTokens(others, model.config)).toEqual([]);
  });

  it.each(["angular", "share pairs", "width", "surgeon"])(
    "%s: what was judged is what is written, at the price that was told",
    async (name) => {
      const ways = await single();
      const alone = ways.find((one) => one.name === name)!;
      const [way] = withFewerTokens([alone, ways.find((one) => one.name === "vocabulary")!], model.config);
      const count = way!.counts[0]!;
      const smaller = way!.by(count);
      expect(smaller.config!.vocabSize).toBe(1536);
      const made = await smaller.make!();
      expect(made.record).toMatchObject({
        method: { width: "taylor", surgeon: "surgeon" }[name] ?? "vocabulary",
        vocabulary: { before: 2048, after: 1536 },
      });
      expect(made.dropped).toEqual(alone.by(count).dropped);

      const written = join(parent, name);
      const edited = await carryOut(model, made, {});
      await edited.save(written);
      expect(modelCost(smaller.config!, smaller.steps)).toEqual(modelCost(edited.config, edited.steps));
      await edited.dispose();

      const candidate: Candidate = { ...smaller, way: name, count, schedule: "", weights: "q8" };
      const judged = await tryCandidates(context(), [candidate], text.tokens, window);
      const opened = await load(written, { weights: "q8", threads: 1 });
      const tokens = opened.needTokenizer().encode(model.needTokenizer().decode(text.tokens), { special: false });
      const { meanLoss } = await perplexity(opened.session({ output: "loss" }), tokens, { window, stride: window });
      expect(judged.get(keyOf(candidate))!.loss).toBe((meanLoss * tokens.length) / text.tokens.length);
      await opened.dispose();
    },
  );
});

it("a search tries them, and takes fewer channels where tokens go, too", async () => {
  const of = model.withSchedule("0-1");
  const found = await autoMethod.run(context({ model: of, budget: { kind: "params", share: 0.85 } }), {
    edits: "untrained",
  });
  const tried = found.scores as unknown as Tried[];
  const within = (name: string) =>
    tried.find(({ way, weights, withinBudget }) => way === name && weights === "q8" && withinBudget)!;
  expect(within("a quarter fewer tokens and surgeon").count).toBeLessThan(within("surgeon").count);
  await of.dispose();
});

it("a search that nothing satisfies names the least that both together reach", async () => {
  const run = (share: number) => autoMethod.run(context({ budget: { kind: "params", share } }), { edits: "untrained" });
  await expect(run(0.01)).rejects.toMatchObject({
    code: "budget",
    message: expect.stringMatching(/the least is [\d.]+, "\d" with 1536 tokens/),
  });
});
