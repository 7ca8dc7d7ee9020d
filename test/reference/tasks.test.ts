/**
 * Tasks against EleutherAI's lm-evaluation-harness (test/fixtures/make-tasks.py): the log-likelihood of every choice and
 * what they come to, on a random model with invented items, and on SmolLM2 with the first items of the real data.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyModel } from "../../src/cli/tiny-model.testing.ts";
import { evaluateTask, type TaskResult } from "../../src/measure/tasks/evaluate.ts";
import { findData } from "../../src/measure/tasks/find-data.ts";
import type { Score } from "../../src/measure/tasks/item.ts";
import { type OpenTask, openTask } from "../../src/measure/tasks/open-tasks.ts";
import { readRows } from "../../src/measure/tasks/read-rows.ts";
import { tasks } from "../../src/measure/tasks/tasks.ts";
import { load, type Model } from "../../src/refrain.ts";
import { dataPath, smolLM2Path } from "../data.ts";
import { fixturePath, readSmolLM2TasksReference, readTinyTasksReference } from "../fixtures.ts";

async function scoresOf(model: Model, task: OpenTask, limit?: number) {
  const scores: (readonly Score[])[] = [];
  const result = await evaluateTask(model, task, { limit, onItem: (item) => scores.push(item.scores) });
  return { result, scores };
}

/** How many of the items are right by a metric. */
const right = ({ metrics, items }: TaskResult, metric: "acc" | "acc_norm") =>
  Math.round(metrics[metric]!.value * items);

describe("tasks on a random model", () => {
  const reference = readTinyTasksReference();
  let model: Model;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const tiny = await tinyModel();
    remove = tiny.remove;
    model = await load(tiny.path, { weights: "f32" });
  });
  afterAll(async () => {
    await model.dispose();
    await remove();
  });

  it.each(tasks)("$name: every log-likelihood is the harness', and what it takes for right", async (task) => {
    const expected = reference[task.name]!;
    const data = await readRows(fixturePath(`tasks/${task.name}.jsonl`));
    const { result, scores } = await scoresOf(model, openTask(task, data));
    expect(scores).toHaveLength(expected.length);
    expected.forEach(({ scores: theirs, greedy }, i) => {
      expect(scores[i]).toHaveLength(theirs.length);
      theirs.forEach((score, k) => {
        expect(scores[i]![k]!.logLikelihood / score, `item ${i}, choice ${k}`).toBeCloseTo(1, 4);
        expect(scores[i]![k]!.greedy ? 1 : 0).toBe(greedy[k]);
      });
    });
    for (const metric of ["acc", "acc_norm"] as const) {
      if (!task.metrics.includes(metric)) continue;
      expect(right(result, metric)).toBe(expected.reduce((sum, item) => sum + item[metric]!, 0));
    }
  });

  it("the beginning of what is longer than the context is cut off, and it is said", async () => {
    const mmlu = tasks.find(({ name }) => name === "mmlu")!;
    const { result } = await scoresOf(model, openTask(mmlu, await readRows(fixturePath("tasks/mmlu.jsonl"))));
    expect(result.truncated).toBe(3);
  });
});

const folder = dataPath("eval");
const path = smolLM2Path();
const missing = folder && path ? "" : " (skipped: needs SmolLM2 in the test cache and the shared test data)";

describe.skipIf(missing !== "")(`tasks on SmolLM2${missing}`, () => {
  const reference = readSmolLM2TasksReference();
  const limit = 20;
  let model: Model;
  beforeAll(async () => {
    model = await load(path!, { weights: "f32" });
  });
  afterAll(() => model.dispose());

  // The whole of the reference is compared by `bench/tasks.mjs`.
  it.each(["openbookqa", "winogrande", "piqa"])("%s: the first items as in the harness", async (name) => {
    const task = tasks.find((task) => task.name === name)!;
    const data = await findData(task, [folder!], {});
    expect(data.sha256).toBe(reference[name]!.dataSha256);
    const { scores } = await scoresOf(model, openTask(task, data), limit);
    scores.forEach((choices, i) => {
      choices.forEach(({ logLikelihood }, k) => {
        expect(logLikelihood, `item ${i}, choice ${k}`).toBeCloseTo(reference[name]!.scores[i]![k]!, 2);
      });
    });
  });
});
