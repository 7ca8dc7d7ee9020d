/**
 * node bench/shrinking-goal.mjs MODEL.gguf DATA OUT [--threads 2] [--items 300] [--seed 0] [--hellaswag FILE] (npm run build first)
 *
 * How much of a real model can go when there are hours instead of minutes, and text of the kind that it is for: first tokens that such
 * text hardly needs, then three layers for one that is trained, then hidden channels; what is left learns from the
 * model that only has fewer tokens, and from the text. Every stage is judged by tasks and text, and so is a control: the model that only has fewer
 * tokens, healed so, too. DATA is the shared test data. Each command runs once: OUT keeps what they
 * wrote, and the same line goes on where it was stopped. Prints a table and writes OUT/results.json. FILE is HellaSwag in
 * the hub's fields (test/fixtures/make-tasks.py writes it): with it the whole and the smallest model are judged by tasks of another kind, too.
 *
 * The text to learn from is to three tenths of the tasks' kind: items behind the ones that judge, none of which is asked the same, each with one of
 * its answers in turn, right or wrong. Which is right is said nowhere.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { mean, meanOfFigures } from "../dist/measure/tasks/metrics.js";
import { markdownTable } from "../dist/report/table.js";

const run = promisify(execFile);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "2" },
    items: { type: "string", default: "300" },
    seed: { type: "string", default: "0" },
    hellaswag: { type: "string" },
  },
});
const [model, data, out] = positionals;
if (out === undefined) throw new Error("expected the model, the folder of the shared data, and where results go");
mkdirSync(out, { recursive: true });
const at = (name) => join(out, name);
const here = (name) => join(import.meta.dirname, name);
const items = Number(values.items);

async function node(script, args) {
  const { stdout } = await run(process.execPath, [script, ...args.map(String)], { maxBuffer: 1 << 28 });
  return stdout;
}
const refrain = (args) =>
  node(here("../dist/cli/main.js"), [...args, "--json", "--quiet", "--threads", values.threads]);

/** Runs what makes a file, unless it is there. */
async function once(path, make) {
  if (existsSync(path)) return;
  const started = Date.now();
  await make();
  console.error(`${path}: ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

const [wiki, classics, children, stories] = [
  "wikitext2_wiki.test.raw",
  "pd_classics.txt",
  "pd_children.txt",
  "tinystories_train_first2MiB.txt",
].map((name) => readFileSync(join(data, "text", name)));

/** WikiText's first half judges, as in shrinking.mjs. */
const judgeText = at("judge.txt");
const half = wiki.indexOf("\n", 640_000) + 1;
writeFileSync(judgeText, wiki.subarray(0, half));

await once(at("textbooks.txt"), () => node(here("textbooks.mjs"), [at("textbooks.txt")]));
const textbooks = readFileSync(at("textbooks.txt"));

/** What the whole model has to say: 108 passages. */
for (const [name, first] of [
  ["self0.txt", 0],
  ["self1.txt", 600],
]) {
  await node(here("self-text.mjs"), [model, at("textbooks.txt"), at(name), "--passages", 54, "--first", first]);
}
const passages = ["self0.txt", "self1.txt"]
  .flatMap((name) => readFileSync(at(name), "utf8").split("\n\n\n").slice(0, -1))
  .filter((passage) => [...passage].length > 80);

/** Of a task: those behind the ones that judge. */
function others(name, text) {
  const rows = readFileSync(join(data, "eval", `${name}.jsonl`), "utf8")
    .split("\n")
    .filter(Boolean);
  const all = rows.map((row) => JSON.parse(row));
  const asked = ({ question, query, context }) => (question ?? query ?? context).toLowerCase().replace(/[^a-z]/g, "");
  const judging = new Set(all.slice(0, items).map(asked));
  return all
    .slice(items)
    .filter((item) => !judging.has(asked(item)))
    .map((item, i) => text(item, item.choices?.[i % item.choices.length]));
}

const TURNS = 1000;
/** `count` of a list for a turn, and from the beginning again. */
const inTurn = (list, count) => (turn) =>
  Array.from({ length: count }, (_, i) => list[(turn * count + i) % list.length]);
const lineAfter = (text, from) => text.indexOf("\n", from) + 1;
/** About so many bytes for a turn, in whole lines, spread over the text. */
const part =
  (text, bytes, first = 0) =>
  (turn) => {
    const from = lineAfter(text, first + Math.floor(((text.length - first - bytes - 4000) / TURNS) * turn));
    return [
      text
        .subarray(from, lineAfter(text, from + bytes))
        .toString()
        .trim(),
    ];
  };
const piqa = inTurn(
  others("piqa", ({ query }, choice) => `${query}Answer: ${choice}`),
  2,
);
const arcEasy = inTurn(
  others("arc_easy", ({ question }, choice) => `Question: ${question}\nAnswer: ${choice}`),
  3,
);
const openBookQa = inTurn(
  others("openbook_qa", ({ query }, choice) => `${query} ${choice}`),
  1,
);
const kinds = [
  inTurn(
    others("lambada_openai", ({ context, continuation }) => `${context} ${continuation}`),
    4,
  ),
  part(textbooks, 1500),
  piqa,
  inTurn(passages, 1),
  arcEasy,
  part(wiki, 400, half),
  openBookQa,
  part(children, 250),
  part(classics, 250),
  part(stories, 200),
];
function write(name, kinds, first = 0) {
  const turns = Array.from({ length: TURNS - first }, (_, i) => kinds.flatMap((kind) => kind(first + i)).join("\n\n"));
  writeFileSync(at(name), turns.join("\n\n"));
  return at(name);
}
const learn = write("learn.txt", kinds);
/** Without questions: half of their answers and more are wrong, and cross-entropy would teach them. */
const unasked = kinds.filter((kind) => ![piqa, arcEasy, openBookQa].includes(kind));
const read = write("read.txt", unasked);
/** What the first healing does not come to. */
const readOn = write("read-on.txt", unasked, 300);

const from = (text, windows, window) => ["--text", text, "--windows", windows, "--window", window];
/** By what the trimmed model says of the text, and by the text. */
const heal = (text, tokens, sequences, rate) => [
  ...["heal", "--teacher", at("trimmed"), "--cross-entropy", 1, "--weights", "q8", "--rank", 16, "--merge"],
  ...["--text", text, "--tokens", tokens, "--sequences", sequences, "--length", 128, "--rate", rate],
  ...["--seed", values.seed],
];
/** [name, of, command] */
const stages = [
  ["trimmed", model, ["shrink", "--by", "vocabulary", "--params", 0.945465, ...from(learn, 20_000, 128)]],
  [
    "replaced",
    at("trimmed"),
    [
      ...["shrink", "--by", "replace", "--drop", 3, "--updates", 1000, "--seed", values.seed, "--weights", "q8"],
      ...from(learn, 4096, 128),
    ],
  ],
  ["narrowed", at("replaced"), ["shrink", "--by", "surgeon", "--params", 0.9232, ...from(learn, 128, 512)]],
  ["healed", at("narrowed"), heal(read, 196_608, 4, "1e-3")],
  ["further", at("healed"), heal(readOn, 163_840, 2, "7e-4")],
  /** How much of that the text teaches any model, by fewer tokens. */
  ["control", at("trimmed"), heal(read, 65_536, 4, "1e-3")],
];
const tasks = "arc_easy,piqa,lambada_openai,openbookqa";
/** Nothing that is learned from is of the kind of these. */
const otherTasks = "hellaswag,siqa";

/** Runs once, too: its JSON. */
async function evaluated(name, folder, options) {
  const path = at(`${name}.json`);
  await once(path, async () => {
    writeFileSync(`${path}.part`, await refrain(["eval", folder, "--weights", "q8", ...options]));
    renameSync(`${path}.part`, path);
  });
  return JSON.parse(readFileSync(path, "utf8"));
}
const scored = (name, folder, suite, source) =>
  evaluated(name, folder, ["--tasks", suite, "--limit", items, ...source.flatMap((path) => ["--data", path])]);

function summary(scores) {
  const mean = (of) => scores.reduce((sum, task) => sum + of(task), 0) / scores.length;
  return {
    tasks: Object.fromEntries(scores.map(({ task, score }) => [task, score])),
    right: Object.fromEntries(scores.map(({ task, right }) => [task, right])),
    accuracy: mean(({ score }) => score.value),
    error: Math.sqrt(mean(({ score }) => score.standardError ** 2) / scores.length),
    above: mean(({ score, chance }) => score.value - chance),
  };
}

async function judged(name, folder) {
  const reading = ["--text", judgeText, "--tokens", 4096, "--window", 512, "--stride", 512];
  const { perplexity, bitsPerByte } = await evaluated(`${name}.text`, folder, reading);
  const scores = await scored(`${name}.tasks`, folder, tasks, [join(data, "eval")]);
  return { perplexity, bitsPerByte, ...summary(scores.tasks) };
}

/** Where HellaSwag is there. */
async function judgedElsewhere(name, folder) {
  if (values.hellaswag === undefined) return {};
  const source = [join(data, "eval"), `hellaswag=${values.hellaswag}`];
  return { elsewhere: summary((await scored(`${name}.others`, folder, otherTasks, source)).tasks) };
}

async function parametersOf(folder) {
  const { schedules } = JSON.parse(await node(here("../dist/cli/main.js"), ["inspect", folder, "--json"]));
  return schedules[0].cost.uniqueParameters;
}
const rows = [];
async function judge(name, folder) {
  const ends = ["whole", "further"].includes(name);
  rows.push({
    name,
    parameters: await parametersOf(folder),
    ...(await judged(name, folder)),
    ...(ends && (await judgedElsewhere(name, folder))),
  });
}
await judge("whole", model);
for (const [name, source, [command, ...options]] of stages) {
  const resume = command === "heal" && existsSync(`${at(name)}.heal.safetensors`) ? ["--resume"] : [];
  await once(join(at(name), "config.json"), () => refrain([command, source, ...options, ...resume, "-o", at(name)]));
  await judge(name, at(name));
}
const [whole] = rows;
/** Of a ratio of two means over the same items (delta method): that of the mean of what is left less what the ratio leaves, item by item. */
function errorOfRatio(right, ratio) {
  const left = Object.entries(whole.right).map(([task, before]) =>
    mean(Array.from(before, (one, i) => Number(right[task][i]) - ratio * Number(one))),
  );
  return meanOfFigures(left).standardError / whole.above;
}
for (const row of rows) {
  row.kept = row.above / whole.above;
  row.keptError = errorOfRatio(row.right, row.kept);
}
const percent = (value, digits = 1) => (100 * value).toFixed(digits);
const columns = ["parameters fewer", "", "bits a byte", "accuracy, %", "above chance, kept"];
const table = markdownTable(
  columns.map((title, i) => ({ title, ...(i === 1 && { align: "left" }) })),
  rows.map((row) => [
    `${percent(1 - row.parameters / whole.parameters)} %`,
    row.name,
    row.bitsPerByte.toFixed(3),
    `${percent(row.accuracy)} ± ${percent(row.error)}`,
    row === whole ? "100 %" : `${percent(row.kept, 0)} ± ${percent(row.keptError, 0)} %`,
  ]),
);
console.log(table);
const conditions = {
  model: basename(model),
  items,
  training: stages.map(([name, , command]) => ({
    name,
    command: command.map((word) => String(word).replace(`${out}/`, "").replace(model, basename(model))),
  })),
};
writeFileSync(at("results.json"), `${JSON.stringify({ ...conditions, rows }, null, 2)}\n`);
writeFileSync(at("table.md"), `${table}\n`);
