/** From the start of a process to the first token of a prompt of 16 on its stdout, the file in the system's cache. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { countAsOurs } from "./machine.mjs";
import { randomModel } from "./models.mjs";
import { peerName } from "./peer.mjs";
import { printRows, row } from "./report.mjs";
import { takeTurns } from "./rounds.mjs";

/** 16 tokens of SmolLM2's vocabulary. */
const PROMPT = "Once upon a time there was a little girl who lived in a house near the";
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Processor time, in ms, of all children that have ended; Linux alone says it. */
function childrenTime() {
  if (process.platform !== "linux") return 0;
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ");
  return 10 * (Number(fields[13]) + Number(fields[14]));
}

/** Milliseconds until the process writes its first byte; what it writes, whole, is `best`. */
function firstByte(args) {
  return new Promise((resolve, reject) => {
    const before = childrenTime();
    const begin = performance.now();
    let figure;
    let text = "";
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
    child.stdout.on("data", (chunk) => {
      figure ??= performance.now() - begin;
      text += chunk;
    });
    child.on("close", (code) => {
      countAsOurs(childrenTime() - before);
      if (code === 0 && figure !== undefined) resolve({ figure, best: text.trim() });
      else reject(new Error(`${args[0]} ended with code ${code}`));
    });
  });
}

/** @param {import("./contest.mjs").Options} options */
export async function startup({ model, threads, rounds, types }) {
  const path = model ?? (await randomModel(30, types[0]));
  const refrain = [here("../dist/cli/main.js"), "run", path, PROMPT, "--max-tokens", "1", "--temperature", "0"];
  const t = await takeTurns(
    {
      ours: () => firstByte([...refrain, "--threads", String(threads)]),
      peer: () => firstByte([here("first-token.mjs"), path, PROMPT, String(threads)]),
    },
    rounds,
    [["ours", "peer"]],
  );
  const rows = [row(`startup ${basename(path, ".gguf")}`, t.ours, t.peer, peerName, "ms to the first token")];
  printRows(`Start of a process to its first token, ${basename(path)}`, rows);
  return rows;
}
