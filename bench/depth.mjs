/**
 * What depth costs: a token's time over the number of steps that are played, with unique blocks and with every block played
 * two, three and four times in a row. Memory's side of the bargain is certain; this shows how much of time's is collected.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lines } from "../dist/report/lines.js";
import { svgToPng } from "../dist/report/node-png.js";
import { Contest } from "./contest.mjs";
import { randomModel } from "./models.mjs";
import { median, printRows, row } from "./report.mjs";
import { takeTurns } from "./rounds.mjs";

const PROMPT = 16;
/** Divisible by two, three and four; the last is the model's depth. */
const DEPTHS = [12, 24, 36, 48, 60];
/** f32 takes long, and so does everything when time is short: three points make a line as well. */
const FEW_DEPTHS = [12, 36, 60];

/** "0-29", or "each(0-14)x2" for the same number of steps from half the blocks. */
const schedule = (steps, plays) => (plays === 1 ? `0-${steps - 1}` : `each(0-${steps / plays - 1})x${plays}`);
const label = (plays) => (plays === 1 ? "unique blocks" : `every block ×${plays}`);

/** @param {import("./contest.mjs").Options} options */
export async function depth(options) {
  const rows = [];
  for (const type of [...options.types, ...(options.floats ? ["f32"] : [])]) {
    rows.push(...(await depthOf(options, type)));
  }
  return rows;
}

async function depthOf({ threads, rounds, tokens, quick, images }, type) {
  const wide = type === "f32";
  const depths = wide || quick ? FEW_DEPTHS : DEPTHS;
  const contest = new Contest(threads, 128);
  try {
    const engine = await contest.start(
      "refrain",
      await randomModel(60, wide ? "q8" : type),
      wide ? { weights: "f32" } : {},
    );
    const lane = (name) => [name, contest.decode(engine, PROMPT, wide ? Math.ceil(tokens / 3) : tokens, name)];
    const curve = (plays) => depths.map((steps) => schedule(steps, plays));
    const names = new Set([1, 2, 3, 4].flatMap(curve));
    // What the rows about thirty blocks compare.
    names.add("0-29");
    const t = await takeTurns(Object.fromEntries([...names].map(lane)), rounds, []);
    const add = (ours, peer) => row(`depth ${type} ${ours}`, t[ours], t[peer], `refrain, ${peer}`, "ms/token");
    const rows = [2, 3, 4].flatMap((plays) => depths.map((steps) => add(schedule(steps, plays), schedule(steps, 1))));
    rows.push(add(schedule(60, 2), "0-29"), add("0-59", "0-29"));
    printRows(`Depth, random ${type} blocks, ${engine.info.engine}`, rows);
    if (images !== undefined) {
      const series = [1, 2, 3, 4].map((plays) => ({
        name: label(plays),
        points: depths.map((steps) => [steps, median(t[schedule(steps, plays)])]),
      }));
      await draw(images, type, series, engine.info.engine);
    }
    return rows;
  } finally {
    await contest.stop();
  }
}

async function draw(folder, type, series, engine) {
  const svg = lines({
    title: "What does depth cost?",
    subtitle: `A token's time, random ${type} blocks 576 wide, 1,536 hidden; ${engine}; medians`,
    x: "steps played",
    y: "ms a token",
    series,
  });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `depth-${type}.svg`), svg);
  await writeFile(join(folder, `depth-${type}.png`), await svgToPng(svg));
}
