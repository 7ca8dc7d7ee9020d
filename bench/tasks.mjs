/**
 * node bench/tasks.mjs MODEL.gguf DATA [--weights f32] [--limit N] [--tasks a,b] [--python PYTHON] (npm run build first)
 *
 * SmolLM2-135M-Instruct on the shared test data, item by item beside what lm-evaluation-harness found
 * (test/fixtures/tasks-smollm2.reference.json): how many predictions are the same, the largest difference of two
 * log-likelihoods, items a second. With --python, an interpreter with lm_eval, the harness scores the same items in the
 * same run, task by task in turns, and its items a second stand beside ours; loading is in neither figure.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { load } from "../dist/index.js";
import { evaluateTask } from "../dist/measure/tasks/evaluate.js";
import { findData } from "../dist/measure/tasks/find-data.js";
import { openTask } from "../dist/measure/tasks/open-tasks.js";
import { tasks } from "../dist/measure/tasks/tasks.js";
import { textTable } from "../dist/report/table.js";

const fixtures = new URL("../test/fixtures/", import.meta.url);
const reference = JSON.parse(readFileSync(new URL("tasks-smollm2.reference.json", fixtures), "utf8")).tasks;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    weights: { type: "string" },
    limit: { type: "string", default: "200" },
    tasks: { type: "string" },
    python: { type: "string" },
  },
});
const [path, data] = positionals;
if (data === undefined) throw new Error("expected the model and the folder of the data");
const wanted = values.tasks?.split(",") ?? tasks.map(({ name }) => name);

const largest = (numbers) => numbers.reduce((best, x, i) => (x > numbers[best] ? i : best), 0);
const perCharacter = (scores, { lengths }) => scores.map((score, i) => score / lengths[i]);

/** HellaSwag's shared file is text, six lines an item, packed; the fixture script makes rows of it. */
async function open(task) {
  const source = task.name === "hellaswag" ? [`hellaswag=${process.env.HELLASWAG ?? "hellaswag.jsonl"}`] : [data];
  return openTask(task, await findData(task, source, {}));
}

function harness(name, items) {
  const script = new URL("make-tasks.py", fixtures).pathname;
  const out = execFileSync(values.python, [script, "time", name, String(items)], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  return Number(/^seconds ([\d.]+)$/m.exec(out.toString())[1]);
}

const model = await load(path, { weights: values.weights });
console.log(`${model.name}, weights ${values.weights ?? "as in the file"}, ${model.engine}`);
const rows = [];
for (const task of tasks.filter(({ name }) => wanted.includes(name) && reference[name])) {
  const theirs = reference[task.name];
  // Of MMLU the reference has the first 4 items of each subject.
  const limit = task.name === "mmlu" ? 4 : Number(values.limit);
  const mine = [];
  const result = await evaluateTask(model, await open(task), { limit, onItem: (scored) => mine.push(scored) });
  const count = Math.min(mine.length, theirs.scores.length);
  let [same, sameNorm, difference] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const ours = mine[i].scores.map(({ logLikelihood }) => logLikelihood);
    const [a, b] = [ours, theirs.scores[i]];
    same +=
      task.name === "lambada_openai"
        ? mine[i].scores[0].greedy === (theirs.greedy[i][0] === 1)
        : largest(a) === largest(b);
    sameNorm += largest(perCharacter(a, mine[i].item)) === largest(perCharacter(b, mine[i].item));
    difference = Math.max(difference, ...a.map((score, k) => Math.abs(score - b[k])));
  }
  const share = (part) => `${((100 * part) / count).toFixed(1)} %`;
  const rate = result.items / result.seconds;
  const theirRate = values.python ? result.items / harness(task.name, result.items) : undefined;
  rows.push([
    task.title,
    String(count),
    share(same),
    task.metrics.includes("acc_norm") ? share(sameNorm) : "",
    difference.toFixed(5),
    rate.toFixed(2),
    ...(values.python ? [theirRate.toFixed(2), `${(rate / theirRate).toFixed(2)}×`] : []),
  ]);
  console.log(rows.at(-1).join("  "));
}
await model.dispose();
const titles = ["task", "items", "same acc", "same acc_norm", "difference", "items/s"];
if (values.python) titles.push("harness, items/s", "ratio");
console.log(
  textTable(
    titles.map((title, i) => ({ title, align: i === 0 ? "left" : "right" })),
    rows,
  ),
);
