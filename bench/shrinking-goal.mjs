/**
 * node bench/shrinking-goal.mjs MODEL.gguf DATA OUT [--threads 1] [--items 300] (npm run build first)
 *
 * How much of a real model can go when there are hours instead of minutes: `replace` once or twice, each layer trained for a thousand
 * steps and more, or `surgeon` on what the first left; then healing. Every stage is judged by tasks and text. DATA is the shared test data. Each command runs once: OUT
 * keeps what they wrote, and the same line goes on where it was stopped. Prints a table and writes OUT/results.json.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { markdownTable } from "../dist/report/table.js";

const run = promisify(execFile);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { threads: { type: "string", default: "1" }, items: { type: "string", default: "300" } },
});
const [model, data, out] = positionals;
if (out === undefined) throw new Error("expected the model, the folder of the shared data, and where results go");
mkdirSync(out, { recursive: true });
const at = (name) => join(out, name);
const here = (name) => join(import.meta.dirname, name);

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

const [wiki, classics, children] = ["wikitext2_wiki.test.raw", "pd_classics.txt", "pd_children.txt"].map((name) =>
  readFileSync(join(data, "text", name)),
);
const half = wiki.indexOf("\n", 640_000) + 1;
const lineAfter = (text, from) => text.indexOf("\n", from) + 1;
const piece = (text, from, bytes) =>
  text.subarray(lineAfter(text, from), lineAfter(text, Math.min(text.length - 2, lineAfter(text, from) + bytes)));
/** `count` pieces of the half of WikiText that does not judge, each among what `turn` gives. */
function mixed(name, count, turn) {
  const share = Math.floor((wiki.length - half) / count);
  const turns = Array.from({ length: count }, (_, i) => turn(i, piece(wiki, half + share * i, share - 300)));
  writeFileSync(at(name), Buffer.concat(turns.flat()));
}

/** WikiText's first half judges, as in shrinking.mjs. */
const judge = at("judge.txt");
writeFileSync(judge, wiki.subarray(0, half));
mixed("books.txt", 160, (i, article) => [
  article,
  ...[2 * i, 2 * i + 1].flatMap((j) => [piece(classics, 43_000 * j, 4000), piece(children, 58_000 * j, 4000)]),
]);
/** What the whole model has to say: 760 passages. */
for (const [name, first] of [
  ["self0.txt", 0],
  ["self1.txt", 600],
]) {
  await node(here("self-text.mjs"), [model, at("books.txt"), at(name), "--passages", 380, "--first", first]);
}
const passages = ["self0.txt", "self1.txt"]
  .flatMap((name) => readFileSync(at(name), "utf8").split("\n\n\n").slice(0, 380))
  .filter((passage) => [...passage].length > 80);
const said = (i) =>
  `${passages.slice(Math.floor((passages.length * i) / 140), Math.floor((passages.length * (i + 1)) / 140)).join("\n\n")}\n\n`;
mixed("self.txt", 140, (i, article) => [
  Buffer.from(said(i)),
  article,
  piece(classics, 90_000 * i, 1500),
  piece(children, 120_000 * i, 1500),
]);

/** Both in turns, to solve layers by. */
const [own, books] = ["self.txt", "books.txt"].map((name) => [...readFileSync(at(name), "utf8")]);
const inTurns = Array.from({ length: Math.ceil(own.length / 8000) }, (_, i) =>
  [own.slice(8000 * i, 8000 * (i + 1)), books.slice(600_000 + 8000 * i, 600_000 + 8000 * (i + 1))].map((text) =>
    text.join(""),
  ),
);
writeFileSync(at("both.txt"), inTurns.flat().join("\n\n"));

const training = (text, updates, windows) => [
  ...["--by", "replace", "--text", at(text), "--updates", updates, "--windows", windows, "--window", 128],
];
const healing = [
  ...["--teacher", model, "--weights", "q8", "--text", at("self.txt"), "--rank", 16, "--rate", "1e-3"],
  ...["--sequences", 4, "--length", 128, "--tokens", 131_072, "--merge"],
];
const solving = ["--by", "surgeon", "--params", 0.868, "--windows", 256, "--text", at("both.txt")];
/** [name, of, command] */
const stages = [
  ["replace-3", model, ["shrink", "--drop", 3, ...training("books.txt", 1500, 4096)]],
  ["replace-3-healed", at("replace-3"), ["heal", ...healing]],
  ["replace-6", at("replace-3"), ["shrink", "--drop", 3, ...training("self.txt", 1300, 3300)]],
  ["replace-6-healed", at("replace-6"), ["heal", ...healing]],
  ["narrowed", at("replace-3"), ["shrink", ...solving]],
  ["narrowed-healed", at("narrowed"), ["heal", ...healing]],
];
for (const [name, from, [command, ...options]] of stages) {
  const resume = command === "heal" && existsSync(`${at(name)}.heal.safetensors`) ? ["--resume"] : [];
  await once(join(at(name), "config.json"), () => refrain([command, from, ...options, ...resume, "-o", at(name)]));
}

const tasks = "arc_easy,piqa,lambada_openai,openbookqa";
async function judged(name, folder) {
  const path = at(`${name}.judged.json`);
  await once(path, async () => {
    const common = ["eval", folder, "--weights", "q8"];
    const text = await refrain([...common, "--text", judge, "--tokens", 4096, "--window", 512, "--stride", 512]);
    const scores = await refrain([...common, "--tasks", tasks, "--data", join(data, "eval"), "--limit", values.items]);
    const all = { perplexity: JSON.parse(text), tasks: JSON.parse(scores).tasks };
    writeFileSync(`${path}.part`, JSON.stringify(all));
    renameSync(`${path}.part`, path);
  });
  const { perplexity, tasks: scores } = JSON.parse(readFileSync(path, "utf8"));
  const mean = (of) => scores.reduce((sum, task) => sum + of(task), 0) / scores.length;
  return {
    perplexity: perplexity.perplexity,
    tasks: Object.fromEntries(scores.map(({ task, score }) => [task, score])),
    accuracy: mean(({ score }) => score.value),
    error: Math.sqrt(mean(({ score }) => score.standardError ** 2) / scores.length),
    above: mean(({ score, chance }) => score.value - chance),
  };
}

async function parametersOf(folder) {
  const { schedules } = JSON.parse(await node(here("../dist/cli/main.js"), ["inspect", folder, "--json"]));
  return schedules[0].cost.uniqueParameters;
}
const rows = [];
for (const [name, folder] of [["whole", model], ...stages.map(([name]) => [name, at(name)])]) {
  rows.push({ name, parameters: await parametersOf(folder), ...(await judged(name, folder)) });
}
const [whole] = rows;
for (const row of rows) row.kept = row.above / whole.above;
const percent = (value, digits = 1) => (100 * value).toFixed(digits);
const columns = ["parameters fewer", "", "perplexity", "accuracy, %", "above chance, kept"];
const table = markdownTable(
  columns.map((title, i) => ({ title, ...(i === 1 && { align: "left" }) })),
  rows.map((row) => [
    `${percent(1 - row.parameters / whole.parameters)} %`,
    row.name,
    row.perplexity.toFixed(1),
    `${percent(row.accuracy)} ± ${percent(row.error)}`,
    `${percent(row.kept, 0)} %`,
  ]),
);
console.log(table);
const conditions = {
  model: basename(model),
  items: Number(values.items),
  training: stages.map(([name, , command]) => ({
    name,
    command: command.map((word) => String(word).replace(`${out}/`, "").replace(model, basename(model))),
  })),
};
writeFileSync(at("results.json"), `${JSON.stringify({ ...conditions, rows }, null, 2)}\n`);
writeFileSync(at("table.md"), `${table}\n`);
