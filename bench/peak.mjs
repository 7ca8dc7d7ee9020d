/**
 * Peak memory of a process that loads a model and plays it with its cache full: `each(0-29)x2` against `0-29`, which holds the
 * same weights and half the cache, and against sixty unique blocks.
 */
import { startEngine } from "./child.mjs";
import { randomModel } from "./models.mjs";
import { printRows, row } from "./report.mjs";
import { inTurns } from "./rounds.mjs";

/** So many positions are read, so that every page of the cache is in use. */
const CONTEXT = 128;
/** Processes of a round, of which the least counts: when JavaScript's memory is collected is chance, which only adds. */
const PROCESSES = 3;
const TWICE = "each(0-29)x2";

/** @param {import("./contest.mjs").Options} options */
export async function peak(options) {
  const rows = [];
  for (const type of options.types) rows.push(...(await peakOf(options, type)));
  return rows;
}

async function peakOf({ threads, quick }, type) {
  const thirty = await randomModel(30, type);
  const sixty = await randomModel(60, type);
  const cacheBytes = {};
  const once = async (name, path, schedule) => {
    const engine = await startEngine("refrain", { path, threads, context: CONTEXT });
    const result = await engine.time({ prompt: Array.from({ length: CONTEXT }, (_, i) => 3 + (i % 500)), schedule });
    cacheBytes[name] = result.cacheBytes;
    await engine.stop();
    return result.peakBytes / 1e6;
  };
  const lane = (name, path, schedule) => async () => {
    const peaks = [];
    for (let i = 0; i < PROCESSES; i++) peaks.push(await once(name, path, schedule));
    return { figure: Math.min(...peaks) };
  };
  const lanes = { "0-29": lane("0-29", thirty), [TWICE]: lane(TWICE, thirty, TWICE), "0-59": lane("0-59", sixty) };
  const t = await inTurns(lanes, quick ? 1 : 3, []);
  const slots = (cacheBytes[TWICE] - cacheBytes["0-29"]) / 1e6;
  const add = (peer, name) => row(`peak memory ${type} ${TWICE}`, t[TWICE], peer, name, "MB");
  const rows = [
    add(
      t["0-29"].map((bytes) => bytes + slots),
      `refrain, 0-29 and ${slots.toFixed(1)} MB for its cache slots`,
    ),
    add(t["0-29"], "refrain, 0-29"),
    add(t["0-59"], "refrain, 0-59"),
  ];
  printRows(`Peak memory, random ${type} blocks, ${CONTEXT} positions`, rows);
  return rows;
}
