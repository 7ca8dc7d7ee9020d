/**
 * A step of training (forward, backward, clipping, AdamW) of a small Llama against the peers; two threads against one; what of a
 * step is not kernels; and memory against the plan. A peer that is not there is named and skipped.
 */
import { existsSync } from "node:fs";
import { startEngine } from "./child.mjs";
import { tokensOfStep } from "./engines/training/model.mjs";
import { jaxJs, tensorflowJs } from "./peers.mjs";
import { median, printRows, row } from "./report.mjs";
import { takeTurns } from "./rounds.mjs";

/** Steps of a round; the slow peers play fewer. */
const STEPS = 6;
const UNIT = `ms for ${tokensOfStep} tokens`;
/** Part of a step that may pass outside of kernels. */
const OVERHEAD = 0.05;
/** How far the losses of three steps may lie apart: f32, summed in different orders. */
const TOLERANCE = 1e-4;

/** @param {import("./contest.mjs").Options} options */
export async function training({ threads, rounds, quick }) {
  const started = [];
  const start = async (name, engine, options, steps = STEPS, node = undefined) => {
    const process = await startEngine(`training/${engine}`, options, node);
    started.push({ name, steps, process });
    return process;
  };
  try {
    const ours = await start("refrain", "refrain", { threads });
    if (threads > 1) await start("refrain, 1 thread", "refrain", { threads: 1 });
    await startPeers(start, threads, quick);
    const peers = started.slice(1).map(({ name }) => name);
    for (const { name, process } of started) compareLosses(name, process.info.losses, ours.info.losses);
    const outside = [];
    const lane =
      ({ name, steps, process }) =>
      async () => {
        const result = await process.time({ steps });
        if (name === "refrain") outside.push(result.outside);
        return { figure: median(result.times) };
      };
    const lanes = Object.fromEntries(started.map((one) => [one.name, lane(one)]));
    const t = await takeTurns(lanes, rounds, []);
    const steps = peers.map((peer) => row("training step", t.refrain, t[peer], peer, UNIT));
    printRows(`Training, 6 blocks of 288, ${ours.info.engine}`, steps);
    for (const [name, times] of Object.entries(t)) {
      console.log(`${name}: ${((1000 * tokensOfStep) / median(times)).toFixed(0)} tokens/s`);
    }
    const allowed = t.refrain.map((ms) => OVERHEAD * ms);
    const overhead = row("outside of kernels", outside.slice(-rounds), allowed, "5 % of a step", "ms a step");
    printRows("JavaScript between the plays of a step", [overhead]);
    return [...steps, overhead, await memory(threads)];
  } finally {
    for (const { process } of started) await process.stop();
  }
}

async function startPeers(start, threads, quick) {
  const skip = (name, why) => console.error(`${name} is not measured: ${why}`);
  const python = process.env.REFRAIN_PYTHON;
  if (python) {
    for (const count of new Set(quick ? [threads] : [threads, 1])) {
      const name = `PyTorch, ${count === 1 ? "1 thread" : `${count} threads`}`;
      await start(name, "pytorch", { threads: count, python });
    }
  } else skip("PyTorch", "REFRAIN_PYTHON names no Python that has it");
  const installed = (name) => existsSync(new URL(`node_modules/${name}`, import.meta.url));
  const node = Number.parseInt(process.versions.node, 10) >= 22 ? process.execPath : process.env.REFRAIN_NODE_22;
  if (!installed("@jax-js/jax")) skip(jaxJs, "run npm --prefix bench install");
  else if (!node) skip(jaxJs, "it needs Node 22 or later; REFRAIN_NODE_22 names none");
  else await start(jaxJs, "jax-js", {}, 2, node);
  if (quick) return skip(tensorflowJs, "a step takes it five seconds, too long for --quick");
  if (!installed("@tensorflow/tfjs-backend-wasm")) skip(tensorflowJs, "run npm --prefix bench install");
  else await start(tensorflowJs, "tfjs", {}, 1);
}

function compareLosses(name, losses, ours) {
  if (losses.every((loss, i) => Math.abs(loss - ours[i]) < TOLERANCE)) return;
  console.log(`warning: the losses of ${name} are ${losses}, ours ${ours}; do they compute the same?`);
}

/** What the process has grown by since before it held a model, at its peak, against what was planned. */
async function memory(threads) {
  const [grown, planned] = [[], []];
  for (let i = 0; i < 3; i++) {
    const engine = await startEngine("training/refrain", { threads });
    const { peakBytes } = await engine.time({ steps: STEPS });
    grown.push((peakBytes - engine.info.before) / 1e6);
    planned.push(engine.info.planned / 1e6);
    await engine.stop();
  }
  const result = row("peak memory of training", grown, planned, "the plan", "MB");
  printRows("What the process grows by", [result]);
  return result;
}
