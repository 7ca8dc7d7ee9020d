/**
 * The folder of a run, which becomes the model: `train.json` (the training file, defaults filled in), `train.jsonl`, and until it is done
 * `checkpoint.safetensors` and `tokens/`. It is only ever gone on with by the same training file.
 */
import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { inputError, RefrainError } from "../errors.ts";
import { readJsonObject } from "../weights/node-file.ts";
import { replaceText } from "../weights/replace-file.ts";
import type { TrainingConfig } from "./config.ts";

export const runFiles = (folder: string) => ({
  config: join(folder, "train.json"),
  log: join(folder, "train.jsonl"),
  checkpoint: join(folder, "checkpoint.safetensors"),
  tokens: join(folder, "tokens"),
});

/** What decides the run, as it is kept: all of the file but where it lies. */
function keptConfig({ path: _, folder: __, $schema: ___, ...file }: TrainingConfig): Record<string, unknown> {
  // Through JSON, so that keys that are undefined are not there.
  return JSON.parse(JSON.stringify(file));
}

export function configHash(config: TrainingConfig): string {
  return createHash("sha256")
    .update(JSON.stringify(sorted(keptConfig(config))))
    .digest("hex");
}

/**
 * Begins a run in a folder, or checks the one that goes on. Throws `output-exists`, `run-missing`, `run-finished`, and
 * `run-config` where the run began with another training file.
 */
export async function openRunFolder(folder: string, config: TrainingConfig, resume: boolean): Promise<void> {
  const files = runFiles(folder);
  const names = await readdir(folder);
  const kept = await readKept(files.config);
  if (resume) {
    if (kept === undefined) {
      throw inputError("run-missing", `${folder} holds no run to go on with`, "Leave --resume out to begin one.");
    }
    if (names.includes("config.json")) {
      // It may have been killed before it could.
      await removeRunState(folder);
      throw inputError("run-finished", `the run in ${folder} is finished`, `Try it: refrain run ${folder}`);
    }
    const changed = firstDifference(kept, keptConfig(config));
    if (changed !== undefined) {
      const { key, was, is } = changed;
      throw inputError(
        "run-config",
        `${folder} began with another training file: ${key} was ${shown(was)}, is ${shown(is)} in ${config.path}`,
        `Go on with the file that it began with (${files.config} is a copy), or begin a new run in another folder.`,
      );
    }
    return;
  }
  const others = names.filter((name) => !name.startsWith(".") && !(kept && beforeFirstCheckpoint.has(name)));
  if (others.length > 0) {
    const unfinished = kept !== undefined && !names.includes("config.json");
    throw inputError(
      "output-exists",
      unfinished
        ? `${folder} holds a run that is not finished`
        : `${folder} is not empty: it has ${others.slice(0, 3).join(", ")}`,
      unfinished ? "Go on with it: --resume. Or choose another folder." : "Choose another folder.",
    );
  }
  await removeRunState(folder);
  await replaceText(files.config, `${JSON.stringify(keptConfig(config), null, 2)}\n`);
}

/** What a run that was refused, or stopped before it had anything to lose, leaves: another may begin in its place. */
const beforeFirstCheckpoint: ReadonlySet<string> = new Set([
  ...["train.json", "train.jsonl", "tokens"],
  ...["tokenizer.json", "tokenizer_config.json"],
]);

/** What a run only needs until it is done. */
export async function removeRunState(folder: string): Promise<void> {
  const { checkpoint, tokens } = runFiles(folder);
  await rm(tokens, { recursive: true, force: true });
  await rm(checkpoint, { force: true });
}

async function readKept(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    return await readJsonObject(path, 1 << 20);
  } catch (error) {
    if (RefrainError.is(error) && error.code === "file-missing") return undefined;
    throw error;
  }
}

const shown = (value: unknown) => (value === undefined ? "not there" : JSON.stringify(value));

/** The first key whose value differs, dotted. */
function firstDifference(was: unknown, is: unknown, key = ""): { key: string; was: unknown; is: unknown } | undefined {
  if (!isObject(was) || !isObject(is)) {
    return JSON.stringify(sorted(was)) === JSON.stringify(sorted(is)) ? undefined : { key, was, is };
  }
  for (const name of new Set([...Object.keys(was), ...Object.keys(is)])) {
    const found = firstDifference(was[name], is[name], key === "" ? name : `${key}.${name}`);
    if (found) return found;
  }
  return undefined;
}

/** With keys in order, whichever order the file had. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
