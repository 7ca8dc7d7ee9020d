/**
 * Decode and prefill in Chromium, on pages that are cross-origin isolated (threads) and on pages that are not (one thread),
 * against llama.cpp in WebAssembly (wllama) and against transformers.js with its WebAssembly backend.
 */
import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { openTokenizer } from "../dist/text/tokenizer.js";
import { openCheckpoint } from "../dist/weights/open.js";
import { hasChromium, howToInstall, launch } from "./browser/launch.mjs";
import { serveEngines, startEngine } from "./browser/page.mjs";
import { randomModel, randomOnnx } from "./models.mjs";
import { median, printRows, row } from "./report.mjs";
import { takeTurns } from "./rounds.mjs";

const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const named = (name) => `${name} ${dependencies[name]}`;
const peers = { wllama: named("@wllama/wllama"), "transformers-js": named("@huggingface/transformers") };

const CONTEXT = 512;
/** Tokens of the prompt before decoding, and of the one that is read against the clock. */
const SHORT = 16;
const LONG = 256;

/** @param {import("./contest.mjs").Options} options */
export async function browser(options) {
  if (!hasChromium) {
    console.log(`browser: skipped, ${howToInstall}`);
    return [];
  }
  const chromium = await launch();
  try {
    console.log(`\nChromium ${chromium.version()}`);
    const rows = [];
    for (const model of await modelsOf(options)) {
      for (const isolated of options.threads > 1 ? [true, false] : [false]) {
        rows.push(...(await compare(chromium, options, model, isolated)));
      }
    }
    return rows;
  } finally {
    await chromium.close();
  }
}

/** `onnx`: the folder of the same weights as transformers.js wants them; only random models have one. */
async function modelsOf({ model, types }) {
  if (model !== undefined) return [{ name: basename(model, ".gguf"), gguf: model, onnx: undefined }];
  const models = [];
  for (const type of types) {
    const onnx = dirname(dirname(await randomOnnx(30, type)));
    models.push({ name: type, gguf: await randomModel(30, type), onnx });
  }
  return models;
}

async function compare(chromium, { threads: wanted, tokens, rounds }, { name, gguf, onnx }, isolated) {
  const threads = isolated ? wanted : 1;
  const against = Object.keys(peers).filter((peer) => peer !== "transformers-js" || onnx !== undefined);
  const models = { "/models/model.gguf": gguf, ...(onnx && { "/models/model-onnx/": onnx }) };
  const server = await serveEngines(["refrain", ...against], models, isolated);
  const engines = {};
  try {
    const open = { gguf: `${server.url}/models/model.gguf`, onnx: "model-onnx", threads, context: CONTEXT };
    for (const engine of ["refrain", ...against]) {
      engines[engine] = await startEngine(chromium, server.url, engine, open);
    }
    const lane = (engine, prompt, tokens) => async () => {
      const { times, best } = await engines[engine].time({ ...prompt, tokens });
      return { figure: median(times), best };
    };
    const lanes = {};
    const [short, long] = [await promptOf(gguf, SHORT), await promptOf(gguf, LONG)];
    for (const engine of Object.keys(engines)) {
      lanes[`decode ${engine}`] = lane(engine, short, tokens);
      lanes[`prefill ${engine}`] = lane(engine, long, 0);
    }
    const t = await takeTurns(lanes, rounds, [["prefill refrain", "prefill wllama"]]);
    const where = threads === 1 ? "1 thread" : `${threads} threads`;
    const add = (work, unit) =>
      against.map((peer) =>
        row(`${work} ${name}, browser, ${where}`, t[`${work} refrain`], t[`${work} ${peer}`], peers[peer], unit),
      );
    const [decode, prefill] = [add("decode", "ms/token"), add("prefill", `ms for ${LONG} tokens`)];
    printRows(`Browser, decode, ${basename(gguf)}, ${engines.refrain.info.engine}`, decode);
    printRows(`Browser, prefill, ${basename(gguf)}, ${engines.refrain.info.engine}`, prefill);
    return [...decode, ...prefill];
  } finally {
    for (const engine of Object.values(engines)) await engine.stop();
    await server.close();
  }
}

/**
 * The beginning of a book that is exactly so many tokens of the model, as text and as tokens: wllama takes text only. Letters
 * only, since a space is three tokens of the random models.
 */
async function promptOf(gguf, tokens) {
  const checkpoint = await openCheckpoint(gguf);
  const tokenizer = await openTokenizer(await checkpoint.vocabulary());
  await checkpoint.close();
  const book = readFileSync(new URL("../data/alice.txt", import.meta.url), "utf8").replace(/[^a-z]/gi, "");
  for (let length = 1; length <= 10 * tokens; length++) {
    const text = book.slice(0, length);
    const prompt = tokenizer.encode(text);
    if (prompt.length === tokens) return { text, prompt };
  }
  throw new Error(`no beginning of the text has ${tokens} tokens`);
}
