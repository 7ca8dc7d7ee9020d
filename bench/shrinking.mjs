/**
 * node bench/shrinking.mjs MODEL.gguf DATA OUT [--threads 1] [--only NAME,…] [--tokens N] (npm run build first)
 *
 * What each method of `refrain shrink` costs a real model of 30 layers, at a tenth, two and three tenths fewer, before and
 * after the same healing. DATA is the shared test data. Each of the commands runs once: OUT keeps what they wrote, and the
 * same line goes on where it was stopped. Two of them at once share the work. At the end, when nothing is left to do,
 * `node bench/shrinking-report.mjs OUT FOLDER` times the models and writes table and figures.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, promisify } from "node:util";
import { whileLocked } from "../dist/weights/lock.js";

const run = promisify(execFile);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "1" },
    only: { type: "string" },
    tokens: { type: "string", default: "8192" },
  },
});
const [model, data, out] = positionals;
if (out === undefined) throw new Error("expected the model, the folder of the shared data, and where results go");
mkdirSync(out, { recursive: true });

const texts = ["wikitext2_wiki.test.raw", "pd_classics.txt", "pd_children.txt"].map((name) =>
  readFileSync(join(data, "text", name)),
);
const half = texts[0].indexOf("\n", 640_000) + 1;

/** WikiText's first half judges. Its second half and old books, piece by piece in turns, choose and heal. */
const [judge, learn] = ["judge.txt", "learn.txt"].map((name) => join(out, name));
if (!existsSync(judge)) writeFileSync(judge, texts[0].subarray(0, half));
if (!existsSync(learn)) {
  const lineAfter = (text, at) => text.indexOf("\n", at) + 1;
  const piece = (text, at, bytes) => text.subarray(lineAfter(text, at), lineAfter(text, lineAfter(text, at) + bytes));
  const turns = Array.from({ length: 140 }, (_, i) => [
    piece(texts[0], half + 4500 * i, 4000),
    piece(texts[1], 90_000 * i, 2000),
    piece(texts[2], 120_000 * i, 2000),
  ]);
  writeFileSync(learn, Buffer.concat(turns.flat()));
}

const quietly = ["--json", "--quiet", "--threads", values.threads];
const cli = join(import.meta.dirname, "../dist/cli/main.js");
const tasks = "arc_easy,piqa,lambada_openai,openbookqa";
const healing = ["--teacher", model, "--sequences", "2", "--tokens", values.tokens];
const adapter = [...healing, "--rank", "8", "--rate", "2e-3", "--merge"];
const lastThree = [...healing, "--layers", "3"];

/** Every pair of neighbours from the middle outwards shares a block, until as many are gone. */
function pairs(gone) {
  const first = 15 - gone;
  return `0-${first - 1} each(${first}-${first + gone - 1})x2 ${first + gone}-${29 - gone}`;
}

/** The steps that a greedy search dropped first: one search of nine serves three and six. */
function firstDropped(steps) {
  const { method } = JSON.parse(readFileSync(join(out, "perplexity-9/shrunk/shrink.json"), "utf8"));
  const gone = method.order.slice(0, steps);
  return Array.from({ length: 30 }, (_, i) => i)
    .filter((i) => !gone.includes(i))
    .join(" ");
}

/** Parameters of a block and of the model. */
const [BLOCK, WHOLE] = [3_540_096, 134_515_008];

/** As many parameters as that many layers fewer would leave. */
const share = (gone) => String(1 - (gone * BLOCK) / WHOLE);

/** [name, options of shrink for so many layers fewer, options of heal] */
const methods = [
  ["replace", (n) => ["--by", "replace", "--updates", "200", "--windows", "256", "--drop", n, "--text", learn]],
  ["influence", (n) => ["--by", "influence", "--recompute", "--drop", n, "--text", learn]],
  [
    "perplexity",
    (n) =>
      n === 9
        ? ["--by", "perplexity", "--windows", "8", "--drop", n, "--text", learn]
        : ["--schedule", firstDropped(n)],
  ],
  ["taylor", (n) => ["--by", "taylor", "--drop", n, "--text", learn]],
  ["angular", (n) => ["--by", "angular", "--drop", n, "--text", learn]],
  ["width", (n) => ["--by", "taylor", "--what", "width", "--params", share(n), "--text", learn]],
  ["surgeon", (n) => ["--by", "surgeon", "--params", share(n), "--text", learn]],
  ["deepest-last3", (n) => ["--by", "deepest", "--drop", n], lastThree],
  ["collapse", (n) => ["--by", "collapse", "--drop", n, "--text", learn]],
  ["tie", (n) => ["--by", "tie", "--init", "average", "--to", pairs(n)]],
  ["deepest", (n) => ["--by", "deepest", "--drop", n]],
  ["collapse-formula", (n) => ["--by", "collapse", "--merge", "formula", "--drop", n, "--text", learn]],
];

const jobs = [
  { name: "whole" },
  ...[6, 9, 3].flatMap((gone) =>
    methods.map(([name, shrink, heal = adapter]) => ({ name: `${name}-${gone}`, gone, shrink, heal })),
  ),
]
  // The other two amounts of it wait for this one.
  .sort((a, b) => Number(b.name === "perplexity-9") - Number(a.name === "perplexity-9"))
  .filter(({ name }) => values.only === undefined || values.only.split(",").includes(name));

async function refrain(args) {
  const { stdout } = await run(process.execPath, [cli, ...args.map(String), ...quietly], { maxBuffer: 1 << 28 });
  return stdout;
}

/** Runs what makes a file, unless it is there: what was half written when a run stopped goes first. */
async function once(path, make) {
  if (existsSync(path)) return;
  const started = Date.now();
  await make();
  console.log(`${path}: ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

async function judged(path, folder) {
  await once(path, async () => {
    const common = [folder, "--weights", "q8"];
    const perplexity = await refrain([
      "eval",
      ...common,
      "--text",
      judge,
      "--tokens",
      4096,
      "--window",
      512,
      "--stride",
      512,
    ]);
    const scores = await refrain(["eval", ...common, "--tasks", tasks, "--data", join(data, "eval"), "--limit", 100]);
    const all = { perplexity: JSON.parse(perplexity), tasks: JSON.parse(scores).tasks };
    writeFileSync(`${path}.part`, JSON.stringify(all, null, 2));
    renameSync(`${path}.part`, path);
  });
}

async function work({ name, gone, shrink, heal }) {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  if (!shrink) return judged(join(folder, "before.json"), model);
  const [shrunk, healed] = ["shrunk", "healed"].map((part) => join(folder, part));
  const options = shrink(gone);
  await once(join(shrunk, "shrink.json"), () => refrain(["shrink", model, ...options, "-o", shrunk]));
  await judged(join(folder, "before.json"), shrunk);
  await once(join(folder, "heal.json"), async () => {
    rmSync(healed, { recursive: true, force: true });
    const args = ["heal", shrunk, "--weights", "q8", "--text", learn, ...heal, "-o", healed];
    const record = JSON.parse(await refrain(args));
    writeFileSync(
      join(folder, "heal.json"),
      JSON.stringify({ shrink: options, heal: args.slice(2, -2), record }, null, 2),
    );
  });
  await judged(join(folder, "after.json"), healed);
}

for (const job of jobs) {
  try {
    await whileLocked({ folder: out, name: job.name, what: job.name }, () => work(job));
  } catch (error) {
    if (error.code === "output-busy") continue; // Another process has it.
    console.error(`${job.name}: ${error.stderr ?? error}`);
    process.exitCode = 1;
  }
}
