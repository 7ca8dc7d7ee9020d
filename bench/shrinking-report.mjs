/**
 * node bench/shrinking-report.mjs OUT FOLDER [--rounds 5]
 *
 * What `node bench/shrinking.mjs` left in OUT, as a table, figures and their data in FOLDER. First the healed models decode in
 * turns with the whole one, on two threads, so let nothing else run; what was timed once is kept in OUT. Rows that FOLDER's
 * results.json already has and OUT has not stay, if the whole model is judged in OUT as it is there.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, isAbsolute, join } from "node:path";
import { parseArgs } from "node:util";
import { load } from "../dist/index.js";
import { lines } from "../dist/report/lines.js";
import { svgToPng } from "../dist/report/node-png.js";
import { markdownTable } from "../dist/report/table.js";
import { median } from "./report.mjs";
import { inTurns } from "./rounds.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" } },
});
const [out, folder] = positionals;
if (folder === undefined) throw new Error("expected the results and the folder to write");
const read = (...path) => JSON.parse(readFileSync(join(out, ...path), "utf8"));
const has = (...path) => existsSync(join(out, ...path));

const whole = read("whole", "before.json");
const names = readdirSync(out).filter((name) => has(name, "after.json"));

/** Milliseconds of a token after a prompt of 16, weights q8. */
function lane(model) {
  const session = model.session();
  return async () => {
    session.rewind(0);
    await session.feed(Array.from({ length: 16 }, (_, i) => 100 + i));
    const begun = performance.now();
    for (let i = 0; i < 24; i++) await session.feed([1000 + i]);
    return { figure: (performance.now() - begun) / 24 };
  };
}

async function timed(name) {
  const options = { weights: "q8", threads: 2 };
  const [ours, theirs] = await Promise.all([
    load(join(out, name, "healed"), options),
    load(whole.perplexity.model, options),
  ]);
  const figures = await inTurns({ ours: lane(ours), whole: lane(theirs) }, Number(values.rounds), []);
  const found = {
    bytes: ours.weightBytes,
    wholeBytes: theirs.weightBytes,
    milliseconds: median(figures.ours),
    speed: median(figures.whole.map((one, i) => one / figures.ours[i])),
    engine: ours.engine,
  };
  await Promise.all([ours.dispose(), theirs.dispose()]);
  writeFileSync(join(out, name, "speed.json"), JSON.stringify(found));
}

/** Mean over the tasks of accuracy above chance, and the mean's standard error. */
function judged({ perplexity, tasks }) {
  const mean = (of) => tasks.reduce((sum, task) => sum + of(task), 0) / tasks.length;
  return {
    loss: perplexity.meanLoss,
    perplexity: perplexity.perplexity,
    accuracy: mean(({ score }) => score.value),
    aboveChance: mean(({ score, chance }) => score.value - chance),
    standardError: Math.sqrt(mean(({ score }) => score.standardError ** 2) / tasks.length),
    tasks: Object.fromEntries(tasks.map(({ task, score }) => [task, score.value])),
  };
}

/** The rows of an earlier report in FOLDER that are not among those found now. */
function keptRows(found) {
  const path = join(folder, "results.json");
  if (!existsSync(path)) return [];
  const earlier = JSON.parse(readFileSync(path, "utf8"));
  if (JSON.stringify(earlier.whole.tasks) !== JSON.stringify(base.tasks))
    throw new Error(`${path}: the whole model was judged otherwise there; give another FOLDER`);
  const isFound = (row) => found.some(({ method, gone }) => method === row.method && gone === row.gone);
  return earlier.rows.filter((row) => !isFound(row));
}

const withoutFolders = (args) => args.map((arg) => (typeof arg === "string" && isAbsolute(arg) ? basename(arg) : arg));

for (const name of names) if (!has(name, "speed.json")) await timed(name);

const base = judged(whole);
const found = names.map((name) => {
  const [, method, gone] = /^(.*)-(\d+)$/.exec(name);
  const shrunk = read(name, "shrunk", "shrink.json");
  const { shrink, heal, record } = read(name, "heal.json");
  return {
    method,
    gone: Number(gone),
    schedule: shrunk.after,
    trained: record.parameters,
    speed: read(name, "speed.json"),
    before: judged(read(name, "before.json")),
    after: judged(read(name, "after.json")),
    commands: { shrink: withoutFolders(shrink), heal: withoutFolders(heal) },
  };
});
const rows = [...found, ...keptRows(found)].sort((a, b) => a.gone - b.gone || a.after.loss - b.after.loss);

const kept = (one) => `${((100 * one.aboveChance) / base.aboveChance).toFixed(0)} %`;
const accuracy = (one) => `${(100 * one.accuracy).toFixed(1)} ± ${(100 * one.standardError).toFixed(1)}`;
const number = (value) => (value < 1000 ? value.toFixed(1) : value.toExponential(1));
const columns = [
  "layers fewer",
  "method",
  "MB in q8",
  "speed",
  "perplexity",
  "healed",
  "accuracy, %",
  "healed, %",
  "above chance, kept",
];
const table = markdownTable(
  columns.map((title, i) => ({ title, align: i === 1 ? "left" : "right" })),
  [
    [
      "0",
      "whole model",
      ((rows[0]?.speed.wholeBytes ?? 0) / 1e6).toFixed(1),
      "1.00",
      number(base.perplexity),
      "",
      accuracy(base),
      "",
      "100 %",
    ],
    ...rows.map(({ method, gone, speed, before, after }) => [
      String(gone),
      method,
      (speed.bytes / 1e6).toFixed(1),
      speed.speed.toFixed(2),
      number(before.perplexity),
      number(after.perplexity),
      accuracy(before),
      accuracy(after),
      kept(after),
    ]),
  ],
);

mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "table.md"), `${table}\n`);
writeFileSync(join(folder, "results.json"), `${JSON.stringify({ whole: base, rows }, null, 1)}\n`);
const figures = [
  ["dropped", ["angular", "influence", "perplexity", "taylor", "deepest", "deepest-last3"]],
  ["rewritten", ["angular", "width", "surgeon", "tie", "collapse", "replace"]],
];
/** What lost more nats is not drawn: it would press the others flat. */
const SHOWN = 2.5;
const judgements = [
  ["loss", "loss of held-out text, nats a token", (one) => (one.loss < base.loss + SHOWN ? one.loss : NaN), "Loss"],
  ["accuracy", "mean accuracy of four tasks above chance, %", (one) => 100 * one.aboveChance, "Accuracy above chance"],
];
for (const [part, methods] of figures) {
  for (const [kind, y, value, title] of judgements) {
    const svg = lines({
      title: `${title} after the same healing`,
      subtitle: `SmolLM2-135M-Instruct, weights q8${kind === "loss" ? `; what lost more than ${SHOWN} nats is not drawn` : ""}`,
      x: "layers fewer",
      y,
      series: methods
        .map((method) => ({
          name: method,
          points: [
            [0, value(base)],
            ...rows.filter((row) => row.method === method).map((row) => [row.gone, value(row.after)]),
          ],
        }))
        .filter(({ points }) => points.length > 1),
    });
    writeFileSync(join(folder, `${kind}-${part}.svg`), svg);
    writeFileSync(join(folder, `${kind}-${part}.png`), await svgToPng(svg));
  }
}
console.log(table);
