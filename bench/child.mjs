/**
 * Each engine runs in a process of its own, so that none finds another's threads, heap or flags. This file is both ends:
 * `startEngine` in the benchmark, and the process itself. An idle engine waits for a message and does not spin.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { countAsOurs } from "./machine.mjs";

/**
 * @typedef {object} Engine what a file in engines/ returns from `open`
 * @property {object} info facts about it, sent to the benchmark
 * @property {(work: object) => Result | Promise<Result>} time does the work
 */

/**
 * @typedef {object} Result
 * @property {number[]} times milliseconds of each part of the work: tokens, or the prompt
 * @property {number} [best] the likeliest token at the end, to see that engines compute the same
 * @property {number} [cpu] processor time, in ms, of a process that the engine has started
 * @property {number} peakBytes most memory that the process has had so far, added by it
 */

const self = fileURLToPath(import.meta.url);

/**
 * @param {string} name of a file in engines/
 * @param {object} options for the `open` of that engine
 * @param {string} node that runs it, where it needs another than ours
 */
export async function startEngine(name, options, node = process.execPath) {
  const child = fork(self, [name], { execPath: node });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const ask = (message) =>
    new Promise((resolve, reject) => {
      const lost = (code) => reject(new Error(`${name} ended with code ${code}`));
      child.once("exit", lost);
      child.once("message", ({ error, answer, cpu }) => {
        child.off("exit", lost);
        countAsOurs(cpu);
        if (error === undefined) resolve(answer);
        else reject(new Error(`${name}: ${error}`));
      });
      child.send(message);
    });
  const info = await ask({ open: options });
  return {
    info,
    /** @returns {Promise<Result>} */
    time: (work) => ask({ work }),
    async stop() {
      child.kill();
      await exited;
    },
  };
}

async function serve(name) {
  const { open } = await import(`./engines/${name}.mjs`);
  let engine;
  let last = process.cpuUsage();
  process.on("message", async (message) => {
    let reply;
    try {
      if (message.open) engine = await open(message.open);
      const answer = message.open ? engine.info : await engine.time(message.work);
      reply = { answer: { ...answer, peakBytes: process.resourceUsage().maxRSS * 1024 } };
    } catch (error) {
      reply = { error: error instanceof Error ? error.message : String(error) };
    }
    const { user, system } = process.cpuUsage(last);
    last = process.cpuUsage();
    process.send({ ...reply, cpu: (user + system) / 1000 + (reply.answer?.cpu ?? 0) });
  });
  process.on("disconnect", () => process.exit());
}

if (process.argv[1] === self) await serve(process.argv[2]);
