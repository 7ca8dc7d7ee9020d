/** Decode, one token at a time: Refrain's schedules, the peers on the same weights, and a plain read of the same bytes. */
import { basename } from "node:path";
import { Contest } from "./contest.mjs";
import { randomModel, randomOnnx } from "./models.mjs";
import { llamaCpp, onnxRuntime, transformersJs } from "./peers.mjs";
import { printRows, row } from "./report.mjs";
import { takeTurns } from "./rounds.mjs";

const PROMPT = 16;
const TWICE = "each(0-29)x2";
const READ = "plain read of the weights";

/** @param {import("./contest.mjs").Options} options */
export async function decode(options) {
  const rows = [];
  for (const type of options.types) rows.push(...(await decodeRandom(options, type)));
  for (const path of options.files) rows.push(...(await decodeFile(options, path)));
  return rows;
}

/** Three ways to play, each against the peers, against reading its weights once, and against one another. */
async function decodeRandom({ threads, tokens, rounds }, type) {
  const [thirty, sixty] = [await randomModel(30, type), await randomModel(60, type)];
  const contest = new Contest(threads);
  try {
    const ours30 = await contest.start("refrain", thirty);
    const ours60 = await contest.start("refrain", sixty);
    const natives = [llamaCpp, onnxRuntime];
    const onThirty = { gguf: thirty, onnx: await randomOnnx(30, type) };
    const peers30 = await contest.startPeers([...natives, transformersJs], onThirty);
    const peers60 = await contest.startPeers(natives, { gguf: sixty, onnx: await randomOnnx(60, type) });
    const peersTwice = await contest.startPeers([onnxRuntime], { onnx: await randomOnnx(30, type, 2) });
    const readLoop = await contest.readLoop(ours60.info.weightBytes);
    const lane = (engine, schedule) => contest.decode(engine, PROMPT, tokens, schedule);
    const peerLanes = (prefix, peers) =>
      Object.fromEntries(peers.map(([name, engine]) => [`${prefix} ${name}`, lane(engine)]));
    const same = (prefix, peers) => peers.map(([name]) => [prefix, `${prefix} ${name}`]);
    const t = await takeTurns(
      {
        "0-29": lane(ours30),
        ...peerLanes("0-29", peers30),
        "read 0-29": readLoop(ours30.info.weightBytes),
        [TWICE]: lane(ours30, TWICE),
        ...peerLanes(TWICE, peersTwice),
        "0-59": lane(ours60),
        ...peerLanes("0-59", peers60),
        "read 0-59": readLoop(ours60.info.weightBytes),
      },
      rounds,
      [...same("0-29", peers30), ...same("0-59", peers60), ...same(TWICE, peersTwice)],
    );
    const add = (ours, peer, against) => row(`decode ${type} ${ours}`, t[ours], t[peer], against, "ms/token");
    const rows = [
      ...peers30.map(([peer]) => add("0-29", `0-29 ${peer}`, peer)),
      ...peers60.map(([peer]) => add("0-59", `0-59 ${peer}`, peer)),
      ...peers60.map(([peer]) => add(TWICE, `0-59 ${peer}`, `${peer}, 0-59`)),
      ...peersTwice.map(([peer]) => add(TWICE, `${TWICE} ${peer}`, `${peer}, ${TWICE}`)),
      add(TWICE, "0-59", "refrain, 0-59"),
      add(TWICE, "0-29", "refrain, 0-29"),
    ];
    const reads = [add("0-29", "read 0-29", READ), add("0-59", "read 0-59", READ), add(TWICE, "read 0-29", READ)];
    printRows(`Decode, random ${type} blocks, ${ours30.info.engine}`, [...rows, ...reads]);
    printRate(reads[0], ours30.info.weightBytes);
    printRate(reads[1], ours60.info.weightBytes);
    return [...rows, ...reads];
  } finally {
    await contest.stop();
  }
}

async function decodeFile({ threads, tokens, rounds }, path) {
  const contest = new Contest(threads);
  try {
    const ours = await contest.start("refrain", path);
    const peers = await contest.startPeers([llamaCpp], { gguf: path });
    const readLoop = await contest.readLoop(ours.info.weightBytes);
    const lane = (engine) => contest.decode(engine, PROMPT, tokens);
    const t = await takeTurns(
      {
        refrain: lane(ours),
        ...Object.fromEntries(peers.map(([name, engine]) => [name, lane(engine)])),
        [READ]: readLoop(ours.info.weightBytes),
      },
      rounds,
      peers.map(([name]) => ["refrain", name]),
    );
    const add = (peer) => row(`decode ${basename(path, ".gguf")}`, t.refrain, t[peer], peer, "ms/token");
    const read = add(READ);
    const rows = [...peers.map(([name]) => add(name)), read];
    printRows(`Decode, ${basename(path)}, ${ours.info.engine}`, rows);
    printRate(read, ours.info.weightBytes);
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
