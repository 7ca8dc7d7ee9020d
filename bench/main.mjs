/**
 * `npm run bench -- [name …] [options]`: what stands in README.md. Without a name, all of them.
 */
import { existsSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { browser } from "./browser.mjs";
import { decode } from "./decode.mjs";
import { depth } from "./depth.mjs";
import { firstToken } from "./first-token.mjs";
import { describeOthers } from "./machine.mjs";
import { smolLM2Path } from "./models.mjs";
import { peak } from "./peak.mjs";
import { predict } from "./predict.mjs";
import { prefill } from "./prefill.mjs";
import { printMachine, rowKeys } from "./report.mjs";
import { printTargets } from "./targets.mjs";
import { training } from "./training.mjs";

const benchmarks = { decode, prefill, depth, peak, "first-token": firstToken, predict, browser, training };

const usage = `usage: npm run bench -- [${Object.keys(benchmarks).join("] [")}] [options]
  --model FILE.gguf  only this model, not the random ones
  --type q4|q8|f32   only one weight type of the random models; f32: only in depth
  --threads N        threads of every engine (2)
  --rounds N         rounds that count (9; with --quick 3)
  --tokens N         tokens decoded in a round (48; with --quick 16)
  --quick            some two minutes: fewer rounds, tokens and models, no predict, browser and training
  --images FOLDER    draw the curves of depth into it
  --json FILE        write the rows as JSON`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string" },
    type: { type: "string" },
    threads: { type: "string", default: "2" },
    rounds: { type: "string" },
    tokens: { type: "string" },
    quick: { type: "boolean", default: false },
    images: { type: "string" },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const quickly = ["decode", "prefill", "depth", "peak", "first-token"];
const names = positionals.length > 0 ? positionals : values.quick ? quickly : Object.keys(benchmarks);
const whole = (text) => (/^[1-9]\d{0,3}$/.test(text) ? Number(text) : stop(`expected a whole number, got "${text}"`));
const stop = (message) => {
  console.error(`${message}\n\n${usage}`);
  process.exit(1);
};
if (values.help) {
  console.log(usage);
  process.exit(0);
}
for (const name of names) if (!Object.hasOwn(benchmarks, name)) stop(`there is no benchmark "${name}"`);
if (values.type !== undefined && !["q4", "q8", "f32"].includes(values.type)) stop(`there is no type "${values.type}"`);

const real = values.model ?? smolLM2Path();
/** @type {import("./contest.mjs").Options} */
const options = {
  model: values.model,
  files: real === undefined ? [] : [real],
  types: ["q4", "q8"].filter((type) => values.model === undefined && (values.type ?? type) === type),
  floats: values.model === undefined && (values.type === undefined ? !values.quick : values.type === "f32"),
  threads: whole(values.threads),
  rounds: whole(values.rounds ?? (values.quick ? "3" : "9")),
  tokens: whole(values.tokens ?? (values.quick ? "16" : "48")),
  quick: values.quick,
  images: values.images,
};
if (real === undefined) console.error("SmolLM2-135M-Instruct is not measured; `npm run fetch-models` gets it");

for (const name of ["node-llama-cpp", "onnxruntime-node", "@huggingface/transformers", "@wllama/wllama"]) {
  if (names.every((one) => one === "training")) break; // which skips what is not there
  if (existsSync(new URL(`node_modules/${name}`, import.meta.url))) continue;
  stop(`${name}, which we are compared with, is not installed; run: npm --prefix bench install`);
}

printMachine();
const rows = [];
try {
  for (const name of names) rows.push(...(await benchmarks[name](options)));
} catch (error) {
  // What was measured before it counts all the same.
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
printTargets(rows);
console.log(describeOthers());
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, rowKeys, 2)}\n`);
