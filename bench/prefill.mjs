/** Prefill: a prompt of 256 tokens read at once, up to the logits of its last token, against llama.cpp on the same file. */
import { basename } from "node:path";
import { Contest } from "./contest.mjs";
import { randomModel } from "./models.mjs";
import { peerName } from "./peer.mjs";
import { printRows, row } from "./report.mjs";
import { takeTurns } from "./rounds.mjs";

const TOKENS = 256;

/** @param {import("./contest.mjs").Options} options */
export async function prefill(options) {
  if (options.model !== undefined) return prefillFile(options, options.model, basename(options.model, ".gguf"));
  const rows = [];
  for (const type of options.types) rows.push(...(await prefillFile(options, await randomModel(30, type), type)));
  return rows;
}

async function prefillFile({ threads, rounds }, path, name) {
  const contest = new Contest(threads);
  try {
    const ours = await contest.start("refrain", path);
    const peer = await contest.start("llama-cpp", path);
    const t = await takeTurns({ ours: contest.prefill(ours, TOKENS), peer: contest.prefill(peer, TOKENS) }, rounds, [
      ["ours", "peer"],
    ]);
    const rows = [row(`prefill ${TOKENS} ${name}`, t.ours, t.peer, peerName, `ms for ${TOKENS} tokens`)];
    printRows(`Prefill, ${basename(path)}, ${ours.info.engine}`, rows);
    return rows;
  } finally {
    await contest.stop();
  }
}
