import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { modelCost } from "../measure/cost.ts";
import { observeModel } from "../measure/observe.ts";
import { perplexity } from "../measure/perplexity.ts";
import { familyOf } from "../model/families.ts";
import { withTrainedWeights } from "../model/trained-block.ts";
import type { OnProgress } from "../progress.ts";
import { load, type Model } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import { autoMethod } from "./auto.ts";
import type { Budget } from "./budget.ts";
import { type Candidate, keyOf } from "./candidates.ts";
import type { Tried } from "./front.ts";
import { dyingJournal } from "./journal.testing.ts";
import { memoryJournal } from "./journal.ts";
import type { Calibration, Journal, MethodContext, Shrunk } from "./method.ts";
import { type Rewriting, waysToRewrite } from "./rewriting.ts";
import { carryOut } from "./shrink.ts";
import { tryCandidates } from "./try-candidates.ts";

const window = 16;
const windows = 12;
const text: Calibration = {
  tokens: Array.from({ length: window * windows }, (_, i) => (i * i * 7 + 3) % 50),
  window,
  windows,
  text: { name: "numbers", sha256: "0" },
};

let model: Model;
let parent: string;
beforeAll(async () => {
  model = await load(fixturePath("gguf/llama-gqa.gguf"), { threads: 1 });
  parent = await mkdtemp(join(tmpdir(), "refrain-rewriting-"));
});
afterAll(async () => {
  await model.dispose();
  await rm(parent, { recursive: true });
});

const context = (of: Model, given: Partial<MethodContext> = {}): MethodContext => {
  return { model: of, amount: undefined, calibration: text, journal: memoryJournal(), ...given };
};

async function ways(of: Model, which: Rewriting = "all", given: Partial<MethodContext> = {}, windowsToLearn = windows) {
  const measured = await observeModel(of, text.tokens, { window, windows });
  return waysToRewrite(which, context(of, given), { ...text, windows: windowsToLearn }, measured);
}

/** All but the function that edits the weights. */
const told = ({ edit: _, ...rest }: Shrunk) => rest;

const edits = ["tie", "width", "taylor", "collapse", "perplexity", "surgeon", "replace"];
const characters = { way: "vocabulary", why: "hardly a token is a merge of others" };

describe("the ways that change weights", () => {
  it("are named, and known by what they cost, before anything is made", async () => {
    expect((await ways(model, "none")).ways).toEqual([]);
    expect((await ways(model, "untrained")).ways.map(({ name }) => name)).toEqual(edits.slice(0, -1));
    const { ways: all, leftOut } = await ways(model);
    // The vocabulary of this one is characters.
    expect(leftOut).toEqual([characters]);
    expect(all.map(({ name, of, counts, dear = false }) => ({ name, of, counts, dear }))).toEqual([
      { name: "tie", of: 3, counts: [1], dear: false },
      { name: "width", of: 88, counts: [24, 56], dear: false },
      { name: "taylor", of: 3, counts: [1], dear: false },
      { name: "collapse", of: 3, counts: [1], dear: false },
      { name: "perplexity", of: 3, counts: [1], dear: true },
      { name: "surgeon", of: 88, counts: [24, 56], dear: true },
      { name: "replace", of: 3, counts: [1], dear: true },
    ]);
  });

  it.each(edits)("%s: what was judged is what is written, at the price that was told", async (name) => {
    const { ways: all } = await ways(model);
    const { by, counts } = all.find((one) => one.name === name)!;
    const smaller = by(counts[0]!);
    const made = await smaller.make!();
    expect(made.record).toMatchObject({ method: name === "width" ? "taylor" : name });
    const written = join(parent, name);
    const edited = await carryOut(model, made, {});
    await edited.save(written);
    const { config, steps } = edited;
    expect(modelCost(smaller.config ?? model.config, smaller.steps)).toEqual(modelCost(config, steps));
    await edited.dispose();

    const judge = text.tokens.slice(0, 3 * window);
    const candidate = (weights: "q8" | "q4"): Candidate => ({
      ...smaller,
      way: name,
      count: 1,
      schedule: "",
      weights,
    });
    const both = [candidate("q8"), candidate("q4")];
    const judged = await tryCandidates(context(model), both, judge, window);
    for (const one of both) {
      const opened = await load(written, { weights: one.weights, threads: 1 });
      const { meanLoss } = await perplexity(opened.session({ output: "loss" }), judge, { window, stride: window });
      expect(judged.get(keyOf(one))).toEqual({ loss: meanLoss, schedule: printSteps(made.steps) });
      await opened.dispose();
    }
  });

  it("are made once, and say what they do", async () => {
    const labels = new Set<string>();
    const { ways: all } = await ways(model, "all", { onProgress: ({ label }) => labels.add(label) });
    for (const { by } of all) {
      const made = await by(1).make!();
      expect(await by(1).make!()).toBe(made);
    }
    expect([...labels]).toEqual([
      "taylor: gradients",
      "collapse (1): merging layers",
      "perplexity (1): round 1",
      "surgeon (1): solving layers",
      "replace (1): held-out windows",
      "replace (1): training a layer",
    ]);
  });

  it.each<[string, string, readonly string[]]>([
    [
      "halves",
      "a0 f0 1",
      ["averages layers", "ranks layers", "merges layers", "drops layers", "solves layers", "no run of whole layers"],
    ],
    ["shared blocks", "0-1 0-1", ["averages layers", "ranks layers", "merges layers", "drops layers", "solves layers"]],
    [
      "one layer",
      "1",
      ["is one layer", "is one layer", "fewer than three layers", "is one layer", "no run of whole layers"],
    ],
  ])("are left out of a model of %s that cannot have them, with a reason", async (_, schedule, reasons) => {
    const of = model.withSchedule(schedule);
    const { ways: some, leftOut } = await ways(of);
    const why = leftOut.filter(({ way }) => way !== "vocabulary").map((one) => one.why);
    expect(why).toEqual(reasons.map((reason) => expect.stringContaining(reason)));
    expect(some).toHaveLength(edits.length - reasons.length);
    await of.dispose();
  });

  it("are left out where blocks are not all that a model is, and where there is nothing to hold out", async () => {
    const { config, steps } = model;
    const looping = { config: { ...config, recurrence: {} }, steps } as unknown as Model;
    const measured = await observeModel(model, text.tokens, { window, windows });
    const { ways: none, leftOut } = waysToRewrite("all", context(looping), text, measured);
    expect(none).toEqual([]);
    expect(leftOut.map(({ why }) => why)).toEqual(
      Array(edits.length + 1).fill(expect.stringContaining("more than its blocks")),
    );
    const one = { ...text, tokens: text.tokens.slice(0, window), windows: 1 };
    expect(waysToRewrite("all", context(model), one, measured).leftOut).toEqual([
      characters,
      { way: "surgeon", why: expect.stringContaining("one window of text") },
      { way: "replace", why: expect.stringContaining("one window of text") },
    ]);
    expect((await ways(model, "all", {}, 1)).leftOut).toEqual([
      characters,
      { way: "replace", why: expect.stringContaining("one window of text") },
    ]);
  });
});

it("a smaller vocabulary is judged by the same text, for as many tokens as it was, at the price that was told", async () => {
  const of = await load(join(import.meta.dirname, "../../models/stories.gguf"), { threads: 1 });
  const story =
    "Once upon a time, there was a little girl named Lily. She liked to play in the park with a strange elephant.";
  const tokens = of
    .needTokenizer()
    .encode(story.repeat(12))
    .slice(0, window * windows);
  const { ways: all } = waysToRewrite(
    "untrained",
    context(of),
    { ...text, tokens },
    await observeModel(of, tokens, { window, windows }),
  );
  const { by, counts, of: size } = all.find(({ name }) => name === "vocabulary")!;
  expect([counts[0], counts.at(-1), size]).toEqual([32, 1760, 2048]);
  const smaller = by(1760);
  const made = await smaller.make!();
  const written = join(parent, "vocabulary");
  const edited = await carryOut(of, made, {});
  await edited.save(written);
  expect(modelCost(smaller.config!, smaller.steps)).toEqual(modelCost(edited.config, edited.steps));
  await edited.dispose();

  const candidate: Candidate = { ...smaller, way: "vocabulary", count: 1760, schedule: "", weights: "q8" };
  const judged = await tryCandidates(context(of), [candidate], tokens, window);
  const opened = await load(written, { weights: "q8", threads: 1 });
  const more = opened.needTokenizer().encode(of.needTokenizer().decode(tokens), { special: false });
  expect(more.length).toBeGreaterThan(1.2 * tokens.length);
  const { meanLoss } = await perplexity(opened.session({ output: "loss" }), more, { window, stride: window });
  expect(judged.get(keyOf(candidate))!.loss).toBe((meanLoss * more.length) / tokens.length);
  await Promise.all([of.dispose(), opened.dispose()]);
});

it("a model that was trained to weights that no F16 holds is no candidate", async () => {
  const { config, steps } = model;
  const parameters = familyOf(config)
    .block(config, 0)
    .filter(({ kind }) => kind === "matrix");
  const values = new Map(
    parameters.map(({ name, rows, columns }) => [name, new Float32Array(rows * columns).fill(1e6)]),
  );
  const make = async (): Promise<Shrunk> => ({
    steps,
    edit: (source) => withTrainedWeights(source, parameters, values),
    dropped: [],
    scores: [],
    notes: [],
  });
  const large: Candidate = { steps, dropped: [], make, way: "large", count: 1, schedule: "0-2", weights: "q8" };
  expect(await tryCandidates(context(model), [large], text.tokens, window)).toEqual(new Map());
});

describe("a search among them", () => {
  const search = (
    budget: Budget,
    {
      of = model,
      edits = "all" as Rewriting,
      ...given
    }: Partial<MethodContext> & { of?: Model; edits?: Rewriting } = {},
  ) => autoMethod.run(context(of, { budget, ...given }), { edits });
  const budget: Budget = { kind: "params", share: 0.8 };

  it("finds a narrower model where dropping layers frees nothing", async () => {
    const of = model.withSchedule("1");
    await expect(search(budget, { of, edits: "none" })).rejects.toMatchObject({ code: "budget" });
    const found = await search(budget, { of });
    const { edit, steps, dropped, record, notes, scores } = found;
    expect({ steps, dropped }).toEqual({ steps: of.steps, dropped: [] });
    expect(record).toMatchObject({ edit: { method: "surgeon" } });
    expect(notes[0]).toMatch(/The best is surgeon \(\d+\) with weights in/);
    expect(notes.join(" ")).toMatch(/Every block keeps \d+ of 88 hidden channels/);
    expect(notes.join(" ")).toContain("Not tried: collapse, because there are fewer than three layers.");
    const narrower = await of.edited(edit!, printSteps(steps));
    const share = modelCost(narrower.config, steps).uniqueParameters / modelCost(of.config, of.steps).uniqueParameters;
    expect(share).toBeLessThanOrEqual(budget.kind === "params" ? budget.share : 0);
    const best = (scores as unknown as Tried[]).find(({ withinBudget, way }) => withinBudget && way === "surgeon");
    expect(best?.parameters).toBe(modelCost(narrower.config, steps).uniqueParameters);
    await narrower.dispose();

    // All losses known, what won is made again.
    const journal = memoryJournal();
    await search(budget, { of, journal });
    const again = await search(budget, {
      of,
      journal: { ...journal, write: () => Promise.reject(new Error("measured")) },
    });
    expect(told(again)).toEqual(told(found));
    const [a, b] = await Promise.all([edit!, again.edit!].map((one) => of.edited(one, "1")));
    expect(await b!.session().feed([3, 1, 4])).toEqual(await a!.session().feed([3, 1, 4]));
    await Promise.all([a, b, of].map((one) => one!.dispose()));
  });

  it("says the least that there is, which may be the narrowest", async () => {
    const of = model.withSchedule("1");
    await expect(search({ kind: "params", share: 0.1 }, { of })).rejects.toMatchObject({
      code: "budget",
      message: expect.stringMatching(/the least is [\d.]+, "1" with 32 hidden channels in f16/),
    });
    await of.dispose();
  });

  it("tries each of them, goes on where it was stopped, and makes only what is not known yet", async () => {
    const whole = await search(budget);
    const tried = whole.scores as unknown as Tried[];
    const ofWay = (way: string) => tried.filter((one) => one.way === way);
    for (const way of edits) {
      expect(new Set(ofWay(way).map(({ weights }) => weights))).toEqual(new Set(["f16", "q8", "q4"]));
    }
    expect(ofWay("replace")[0]!.schedule).toMatch(/^(3 2|0 3)$/);
    const plain = tried.length - edits.flatMap(ofWay).length;
    // Nothing that changed weights won here: what won need not be made again.
    expect(whole.record).not.toHaveProperty("edit");
    for (const [stop, made] of [
      [plain + 1, ["taylor:", "collapse", "perplexity", "surgeon", "replace"]],
      [tried.length - 2, ["replace"]],
      [tried.length - 1, []],
    ] as const) {
      const journal = memoryJournal();
      await expect(search(budget, { journal: dyingJournal(journal, stop) })).rejects.toThrow("killed");
      let more = 0;
      const counting: Journal = { read: journal.read, write: async () => void more++ };
      const labels = new Set<string>();
      const onProgress: OnProgress = ({ label }) => labels.add(label.split(" ")[0]!);
      expect(told(await search(budget, { journal: counting, onProgress }))).toEqual(told(whole));
      expect(more).toBe(tried.length - stop - 1);
      expect([...labels].filter((label) => !["measuring", "trying"].includes(label))).toEqual(made);
    }
  });
});

it.each(["models/gpt2", "models/mistral", "models/qwen3"])("%s has all of them", async (name) => {
  const of = await load(fixturePath(name), { threads: 1 });
  const { ways: all } = await ways(of);
  expect(all).toHaveLength(edits.length - (of.steps.length > 2 ? 0 : 1));
  for (const { by, counts } of all) {
    const smaller = by(counts[0]!);
    const edited = await carryOut(of, await smaller.make!(), {});
    expect(modelCost(smaller.config ?? of.config, smaller.steps)).toEqual(modelCost(edited.config, edited.steps));
    await edited.dispose();
  }
  await of.dispose();
});
