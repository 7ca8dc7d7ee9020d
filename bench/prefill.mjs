/** Prefill: a prompt read at once, up to the logits of its last token, against the peers on the same weights. */
import { basename } from "node:path";
import { Contest } from "./contest.mjs";
import { randomModel, randomOnnx } from "./models.mjs";
import { llamaCpp, onnxRuntime } from "./peers.mjs";
import { printRows, row } from "./report.mjs";
import { takeTurns } from "./rounds.mjs";

/** @param {import("./contest.mjs").Options} options */
export async function prefill(options) {
  const rows = [];
  for (const tokens of options.quick ? [256] : [256, 1024]) {
    for (const type of options.types) {
      const files = { gguf: await randomModel(30, type), onnx: await randomOnnx(30, type) };
      rows.push(...(await prefillFile(options, tokens, files, type, [llamaCpp, onnxRuntime])));
    }
    for (const gguf of options.files) {
      rows.push(...(await prefillFile(options, tokens, { gguf }, basename(gguf, ".gguf"), [llamaCpp])));
    }
  }
  return rows;
}

async function prefillFile({ threads, rounds }, tokens, files, name, peers) {
  const contest = new Contest(threads, tokens);
  try {
    const ours = await contest.start("refrain", files.gguf);
    const lanes = { refrain: contest.prefill(ours, tokens) };
    for (const peer of peers) {
      lanes[peer.name] = contest.prefill(await contest.start(peer.engine, files[peer.format]), tokens);
    }
    const same = peers.map((peer) => ["refrain", peer.name]);
    const t = await takeTurns(lanes, rounds, same);
    const unit = `ms for ${tokens} tokens`;
    const rows = peers.map((peer) => row(`prefill ${tokens} ${name}`, t.refrain, t[peer.name], peer.name, unit));
    printRows(`Prefill, ${basename(files.gguf)}, ${ours.info.engine}`, rows);
    return rows;
  } finally {
    await contest.stop();
  }
}
