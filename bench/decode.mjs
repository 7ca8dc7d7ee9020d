/** Decode, one token at a time: Refrain's schedules, llama.cpp on the same files, and a plain read of the same bytes. */
import { basename } from "node:path";
import { Contest } from "./contest.mjs";
import { randomModel } from "./models.mjs";
import { peerName } from "./peer.mjs";
import { printRows, row } from "./report.mjs";
import { takeTurns } from "./rounds.mjs";

const PROMPT = 16;
const TWICE = "each(0-29)x2";
const READ = "plain read of the weights";

/** @param {import("./contest.mjs").Options} options */
export async function decode(options) {
  if (options.model !== undefined) return decodeFile(options, options.model);
  const rows = [];
  for (const type of options.types) rows.push(...(await decodeRandom(options, type)));
  return rows;
}

/** Three ways to play, each against llama.cpp, against reading its weights once, and against one another. */
async function decodeRandom({ threads, tokens, rounds }, type) {
  const [thirty, sixty] = [await randomModel(30, type), await randomModel(60, type)];
  const contest = new Contest(threads);
  try {
    const ours = await contest.start("refrain", thirty);
    const ours60 = await contest.start("refrain", sixty);
    const peer = await contest.start("llama-cpp", thirty);
    const peer60 = await contest.start("llama-cpp", sixty);
    const readLoop = await contest.readLoop(ours60.info.weightBytes);
    const t = await takeTurns(
      {
        ours: contest.decode(ours, PROMPT, tokens),
        peer: contest.decode(peer, PROMPT, tokens),
        read: readLoop(ours.info.weightBytes),
        twice: contest.decode(ours, PROMPT, tokens, TWICE),
        ours60: contest.decode(ours60, PROMPT, tokens),
        peer60: contest.decode(peer60, PROMPT, tokens),
        read60: readLoop(ours60.info.weightBytes),
      },
      rounds,
      [
        ["ours", "peer"],
        ["ours60", "peer60"],
      ],
    );
    const add = (name, figures, against, name2) => row(`decode ${type} ${name}`, figures, against, name2, "ms/token");
    const rows = [
      add("0-29", t.ours, t.peer, peerName),
      add("0-59", t.ours60, t.peer60, peerName),
      add(TWICE, t.twice, t.peer60, `${peerName}, 60 blocks`),
      add(TWICE, t.twice, t.ours60, "refrain, 0-59"),
      add(TWICE, t.twice, t.ours, "refrain, 0-29"),
      add("0-29", t.ours, t.read, READ),
      add("0-59", t.ours60, t.read60, READ),
      add(TWICE, t.twice, t.read, READ),
    ];
    printRows(`Decode, random ${type} blocks, ${ours.info.engine}`, rows);
    printRate(rows[5], ours.info.weightBytes);
    printRate(rows[6], ours60.info.weightBytes);
    return rows;
  } finally {
    await contest.stop();
  }
}

async function decodeFile({ threads, tokens, rounds }, path) {
  const contest = new Contest(threads);
  try {
    const ours = await contest.start("refrain", path);
    const peer = await contest.start("llama-cpp", path);
    const readLoop = await contest.readLoop(ours.info.weightBytes);
    const t = await takeTurns(
      {
        ours: contest.decode(ours, PROMPT, tokens),
        peer: contest.decode(peer, PROMPT, tokens),
        read: readLoop(ours.info.weightBytes),
      },
      rounds,
      [["ours", "peer"]],
    );
    const name = `decode ${basename(path, ".gguf")}`;
    const rows = [row(name, t.ours, t.peer, peerName, "ms/token"), row(name, t.ours, t.read, READ, "ms/token")];
    printRows(`Decode, ${basename(path)}, ${ours.info.engine}`, rows);
    printRate(rows[1], ours.info.weightBytes);
    return rows;
  } finally {
    await contest.stop();
  }
}

/** What the row against a plain read means in bytes. */
function printRate({ name, ours, peer, ratio }, bytes) {
  const rate = (milliseconds) => `${(bytes / milliseconds / 1e6).toFixed(1)} GB/s`;
  const share = Math.round(100 * ratio);
  console.log(`${name}: ${(bytes / 1e6).toFixed(1)} MB at ${rate(ours)}, ${share} % of a plain read's ${rate(peer)}`);
}
