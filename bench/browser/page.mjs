/** One engine in a worker of a page of its own; while another works, it waits for a message. */
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { countAsOurs } from "../machine.mjs";
import { serve } from "./server.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * A server with the engines bundled for browsers, and with models.
 * @param {readonly string[]} engines names of files in engines/
 * @param {Readonly<Record<string, string>>} models file or folder by address
 * @param {boolean} isolated
 */
export async function serveEngines(engines, models, isolated) {
  const texts = { "/": "<!doctype html><title>bench</title>" };
  for (const name of engines) {
    const bundle = await rolldown({ input: here(`engines/${name}.mjs`), platform: "browser", logLevel: "silent" });
    const { output } = await bundle.generate({ format: "esm", codeSplitting: false });
    texts[`/${name}.js`] = output[0].code;
  }
  const modules = "../node_modules";
  return serve({
    texts,
    isolated,
    paths: {
      "/wasm/": here("../../wasm"),
      "/wllama/": here(`${modules}/@wllama/wllama/esm/wasm`),
      "/wllama-2/": here(`${modules}/wllama-2/esm`),
      "/onnxruntime-web/": here(`${modules}/onnxruntime-web/dist`),
      ...models,
    },
  });
}

/**
 * Opens an engine.
 * @param {import("playwright-core").Browser} browser
 * @param {string} url of the server
 * @param {string} name of the engine
 * @param {object} options for the `open` of that engine
 */
export async function startEngine(browser, url, name, options) {
  // A context of its own makes it a process of its own.
  const page = await browser.newPage();
  if (process.env.REFRAIN_BENCH_VERBOSE) page.on("console", (message) => console.error(`${name}: ${message.text()}`));
  await page.goto(url);
  await page.evaluate(startWorker, `/${name}.js`);
  const session = await browser.newBrowserCDPSession();
  const ask = async (message) => {
    const { error, answer } = await page.evaluate((message) => globalThis.ask(message), message);
    await countProcessorTime(session);
    if (error === undefined) return answer;
    throw new Error(`${name}: ${error}`);
  };
  const info = await ask({ open: options });
  return {
    info,
    /** @returns {Promise<import("./engines/serve.mjs").Result>} */
    time: (work) => ask({ work }),
    stop: () => page.close(),
  };
}

/** In the page: a worker that is asked one thing after the other. */
async function startWorker(address) {
  const worker = new Worker(address, { type: "module" });
  const answer = () =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  globalThis.ask = (message) => {
    worker.postMessage(message);
    return answer();
  };
  await answer();
}

/** Milliseconds of processor time of all of Chromium's processes that were counted already. */
let counted = 0;

async function countProcessorTime(session) {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const total = 1000 * processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
  // Less than before, where pages were closed meanwhile.
  countAsOurs(Math.max(0, total - counted));
  counted = total;
}
