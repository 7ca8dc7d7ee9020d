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
import { transformersJs, wllama, wllama2 } from "./peers.mjs";
import { median, printRows, row } from "./report.mjs";
import { takeTurns } from "./rounds.mjs";

const CONTEXT = 512;
/** Tokens of the prompt before decoding, and of the one that is read against the clock. */
const SHORT = 16;
const LONG = 256;
/** Peers take up to a second a token and a minute a prompt: beyond so many tokens and rounds, one would wait for hours. */
const MOST_TOKENS = 16;
const MOST_ROUNDS = 3;

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
      for (const isolated of options.threads > 1 && !options.quick ? [true, false] : [false]) {
        rows.push(...(await compare(chromium, options, model, isolated)));
      }
    }
    return rows;
  } finally {
    await chromium.close();
  }
}

/** `onnx` and `dynamic`: folders of the same weights as transformers.js wants them; only random models have them. */
async function modelsOf({ files, types, quick }) {
  if (quick && types.length > 0) return modelsOf({ files: [], types: types.slice(0, 1) });
  const models = files.map((gguf) => ({ name: basename(gguf, ".gguf"), gguf }));
  const folder = async (type, dynamic) => dirname(dirname(await randomOnnx(30, type, 1, dynamic)));
  for (const type of types) {
    const [onnx, dynamic] = [await folder(type, false), await folder(type, true)];
    models.push({ name: type, gguf: await randomModel(30, type), onnx, dynamic });
  }
  return models;
}

async function compare(chromium, options, { name, gguf, onnx, dynamic }, isolated) {
  const threads = isolated ? options.threads : 1;
  const tokens = Math.min(options.tokens, MOST_TOKENS);
  const rounds = options.quick ? 1 : Math.min(options.rounds, MOST_ROUNDS);
  const inDynamic = { ...transformersJs, name: `${transformersJs.name}, dynamic q8`, format: "dynamic" };
  const peers = [wllama, wllama2, ...(onnx === undefined ? [] : [transformersJs, inDynamic])];
  const folders = onnx && { "/models/onnx/": onnx, "/models/dynamic/": dynamic };
  const models = { "/models/model.gguf": gguf, ...folders };
  const server = await serveEngines(["refrain", ...peers.map(({ engine }) => engine)], models, isolated);
  const started = [];
  const start = async ({ engine, format }, threads) => {
    const open = { gguf: `${server.url}/models/model.gguf`, onnx: format, threads, context: CONTEXT };
    started.push(await startEngine(chromium, server.url, engine, open));
    return started.at(-1);
  };
  try {
    const ours = await start({ engine: "refrain" }, threads);
    /** By the names that rows give them; each also with one thread, which may be faster where few cores are there. */
    const theirs = {};
    for (const peer of peers) {
      theirs[peer.name] = await start(peer, threads);
      if (threads > 1) theirs[`${peer.name}, 1 thread`] = await start(peer, 1);
    }
    const tokenizer = await tokenizerOf(gguf);
    const lane = (engine, prompt, tokens) => async () => {
      const { times, first } = await engine.time({ ...prompt, tokens });
      // wllama tells text, the others tell tokens.
      return { figure: median(times), best: typeof first === "number" ? tokenizer.decode([first]) : first };
    };
    const [short, long] = [promptOf(tokenizer, SHORT), promptOf(tokenizer, LONG)];
    const lanes = {};
    for (const [name, engine] of Object.entries({ refrain: ours, ...theirs })) {
      lanes[`decode ${name}`] = lane(engine, short, tokens);
      lanes[`prefill ${name}`] = lane(engine, long, 0);
    }
    const same = Object.keys(theirs).map((name) => ["prefill refrain", `prefill ${name}`]);
    const t = await takeTurns(lanes, rounds, same);
    const where = `browser, ${threads === 1 ? "1 thread" : `${threads} threads`}`;
    const rowsOf = (work, title, unit) => {
      const rows = Object.keys(theirs).map((peer) =>
        row(`${title} ${name}, ${where}`, t[`${work} refrain`], t[`${work} ${peer}`], peer, unit),
      );
      printRows(`${title}, ${basename(gguf)}, ${where}, ${ours.info.engine}`, rows);
      return rows;
    };
    return [
      ...rowsOf("decode", "decode", "ms/token"),
      ...rowsOf("prefill", `prefill ${LONG}`, `ms for ${LONG} tokens`),
    ];
  } finally {
    for (const engine of started) await engine.stop();
    await server.close();
  }
}

async function tokenizerOf(gguf) {
  const checkpoint = await openCheckpoint(gguf);
  try {
    return await openTokenizer(await checkpoint.vocabulary());
  } finally {
    await checkpoint.close();
  }
}

/**
 * The beginning of a book that is exactly so many tokens of the model, as text and as tokens: wllama takes text only. Letters
 * only, since a space is three tokens of the random models.
 */
function promptOf(tokenizer, tokens) {
  const book = readFileSync(new URL("../data/alice.txt", import.meta.url), "utf8").replace(/[^a-z]/gi, "");
  for (let length = 1; length <= 10 * tokens; length++) {
    const text = book.slice(0, length);
    const prompt = tokenizer.encode(text);
    if (prompt.length === tokens) return { text, prompt };
  }
  throw new Error(`no beginning of the text has ${tokens} tokens`);
}
