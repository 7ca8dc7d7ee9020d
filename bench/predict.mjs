/**
 * What the roofline predicts (src/measure/roofline.ts) beside what is measured: the device is measured first, then decode and prefill of
 * the same models as in the other benchmarks, each engine in a process of its own.
 */
import { basename } from "node:path";
import { nodeHost } from "../dist/engine/wasm/node-host.js";
import { measureDevice } from "../dist/measure/device/measure-device.js";
import { predictSpeed } from "../dist/measure/predict-model.js";
import { readConfig } from "../dist/model/read-config.js";
import { resolveSchedule } from "../dist/refrain.js";
import { openCheckpoint } from "../dist/weights/open.js";
import { Contest } from "./contest.mjs";
import { randomModel } from "./models.mjs";
import { printRows, row } from "./report.mjs";
import { takeTurns } from "./rounds.mjs";

/** Positions of every cache. */
const CONTEXT = 512;
const PROMPT = 256;
const TWICE = "each(0-29)x2";

/** @param {import("./contest.mjs").Options} options */
export async function predict(options) {
  const { threads, tokens, rounds } = options;
  const [measured] = await measureDevice(nodeHost, { threads: [threads], largest: 1 << 28 });
  const rows = [];
  for (const [title, cases] of await groupsOf(options)) {
    const contest = new Contest(threads, CONTEXT);
    const lanes = {};
    const predicted = {};
    try {
      const engines = new Map();
      for (const { path, schedule, name } of cases) {
        if (!engines.has(path)) engines.set(path, await contest.start("refrain", path));
        const engine = engines.get(path);
        const speed = await predictFile(path, schedule, measured);
        lanes[`decode ${name}`] = contest.decode(engine, PROMPT, tokens, schedule);
        predicted[`decode ${name}`] = speed.decode.seconds * 1000;
        if (schedule !== undefined) continue;
        lanes[`prefill ${PROMPT} ${name}`] = contest.prefill(engine, PROMPT);
        predicted[`prefill ${PROMPT} ${name}`] = speed.promptSeconds * 1000;
      }
      const figures = await takeTurns(lanes, rounds, []);
      const found = Object.keys(lanes).map((name) =>
        row(
          name,
          figures[name],
          figures[name].map(() => predicted[name]),
          "predicted",
          "ms",
        ),
      );
      printRows(`Predicted, ${title} (peer and ratio: the prediction, and predicted / measured)`, found);
      rows.push(...found);
    } finally {
      await contest.stop();
    }
  }
  return rows;
}

/** @returns {Promise<[title: string, cases: { path: string, schedule?: string, name: string }[]][]>} */
async function groupsOf({ files, types }) {
  const groups = files.map((path) => [basename(path), [{ path, name: basename(path, ".gguf") }]]);
  for (const type of types) {
    const [thirty, sixty] = [await randomModel(30, type), await randomModel(60, type)];
    groups.push([
      `random ${type} blocks`,
      [
        { path: thirty, name: `${type} 0-29` },
        { path: thirty, schedule: TWICE, name: `${type} ${TWICE}` },
        { path: sixty, name: `${type} 0-59` },
      ],
    ]);
  }
  return groups;
}

async function predictFile(path, schedule, measured) {
  const checkpoint = await openCheckpoint(path, { headerOnly: true });
  try {
    const config = await readConfig(checkpoint);
    const stored = new Map([...checkpoint.tensors.values()].map(({ name, type }) => [name, type]));
    return predictSpeed(config, resolveSchedule(config, schedule), stored, "file", CONTEXT, measured);
  } finally {
    await checkpoint.close();
  }
}
