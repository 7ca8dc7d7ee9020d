/**
 * From the start of a process to the first token that it prints: Node itself, modules, the file, the tokenizer, the prompt. The
 * file is in the system's cache, as it is for whoever runs a model twice.
 */
import { spawn } from "node:child_process";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { llamaCpp } from "./peers.mjs";
import { printRows, row } from "./report.mjs";
import { inTurns } from "./rounds.mjs";

/** 16 tokens of SmolLM2. */
const PROMPT = "The history of the steam engine begins in the first century, when a Greek engineer";

const script = (name) => fileURLToPath(new URL(`first-token/${name}.mjs`, import.meta.url));
const cli = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

/** @param {import("./contest.mjs").Options} options */
export async function firstToken({ files, threads, rounds }) {
  const rows = [];
  for (const path of files) {
    const args = [path, PROMPT, String(threads)];
    const run = ["run", path, PROMPT, "--max-tokens", "1", "--temperature", "0", "--threads", String(threads)];
    const lanes = {
      library: () => timeToOutput([script("refrain"), ...args]),
      "refrain run": () => timeToOutput([cli, ...run]),
      [llamaCpp.name]: () => timeToOutput([script("llama-cpp"), ...args]),
    };
    const same = ["library", "refrain run"].map((ours) => [ours, llamaCpp.name]);
    const t = await inTurns(lanes, rounds, same);
    const add = (ours) =>
      row(`first token ${basename(path, ".gguf")}, ${ours}`, t[ours], t[llamaCpp.name], llamaCpp.name, "ms");
    const added = [add("library"), add("refrain run")];
    printRows(`From process start to the first of the tokens after ${basename(path)} has read 16`, added);
    rows.push(...added);
  }
  return rows;
}

/** Runs Node with these arguments: milliseconds until it prints anything, and what it prints first. */
function timeToOutput(args) {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let first;
    let complaint = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (best) => {
      first ??= { figure: performance.now() - begin, best: best.trim() };
    });
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => {
      complaint += text;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (first !== undefined && code === 0) resolve(first);
      else
        reject(
          new Error(`${args[0]} ended with code ${code} ${first ? "after" : "before"} its first token: ${complaint}`),
        );
    });
  });
}
