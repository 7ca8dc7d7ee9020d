/**
 * Trains every arm of an experiment with every seed, on equal tokens. What is done is kept in `results.json` after each
 * run, and a run that was stopped goes on from its own checkpoint: a day's work survives a night.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { failure, inputError, RefrainError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import { whileLocked } from "../weights/lock.ts";
import { isSystemError } from "../weights/node-file.ts";
import { replaceText } from "../weights/replace-file.ts";
import type { Arm, Experiment } from "./experiment.ts";
import type { Outcome } from "./verdict.ts";

/** What the figures depend on: a folder holds results of one set of conditions. */
export interface Conditions {
  readonly experiment: string;
  readonly text: { readonly name: string; readonly sha256: string };
  /** Tokens that each arm is trained on. */
  readonly tokens: number;
  /** How arms are trained, in words. */
  readonly recipe: string;
  readonly threads: number;
  readonly refrain: string;
}

export interface ArmRun {
  readonly arm: Arm;
  readonly seed: number;
  /** For checkpoints and logs; a run that was stopped is found here. */
  readonly folder: string;
}

export interface RunOptions {
  readonly out: string;
  readonly seeds: number;
  readonly conditions: Conditions;
  /** Trains one arm and gives its loss on the held-out text. */
  readonly train: (run: ArmRun, onProgress: OnProgress) => Promise<{ readonly loss: number; readonly seconds: number }>;
  readonly onProgress?: OnProgress | undefined;
}

const RESULTS = "results.json";

const resultsSchema = v.object({
  conditions: v.object({
    experiment: v.string(),
    text: v.object({ name: v.string(), sha256: v.string() }),
    tokens: v.number(),
    recipe: v.string(),
    threads: v.number(),
    refrain: v.string(),
  }),
  outcomes: v.array(v.object({ arm: v.string(), seed: v.number(), loss: v.number(), seconds: v.number() })),
});

/**
 * Seeds are the outer loop: after the first, every arm has been seen once. Errors: `other-conditions`, `output-busy` where another
 * process works in the folder, and those of `train`.
 */
export async function runExperiment(experiment: Experiment, options: RunOptions): Promise<readonly Outcome[]> {
  const { out } = options;
  return whileLocked({ folder: out, name: "reproduce", what: out }, () => runLocked(experiment, options));
}

async function runLocked(
  experiment: Experiment,
  { out, seeds, conditions, train, onProgress }: RunOptions,
): Promise<readonly Outcome[]> {
  const outcomes = [...(await resultsOf(out, conditions))];
  const runs = Array.from({ length: seeds }, (_, seed) => experiment.arms.map((arm) => ({ arm, seed }))).flat();
  for (const [i, { arm, seed }] of runs.entries()) {
    if (outcomes.some((outcome) => outcome.arm === arm.name && outcome.seed === seed)) continue;
    const named: OnProgress = (progress) =>
      onProgress?.({ ...progress, label: `${arm.name}, seed ${seed} (${i + 1} of ${runs.length})` });
    const folder = join(out, "runs", `${arm.name}-${seed}`);
    const { loss, seconds } = await train({ arm, seed, folder }, named);
    outcomes.push({ arm: arm.name, seed, loss, seconds });
    await replaceText(join(out, RESULTS), `${JSON.stringify({ conditions, outcomes }, null, 2)}\n`);
  }
  return outcomes;
}

/** What an earlier run left in the folder; nothing where there was none. */
async function resultsOf(out: string, conditions: Conditions): Promise<readonly Outcome[]> {
  const path = join(out, RESULTS);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  });
  if (text === undefined) return [];
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), resultsSchema), text);
  if (!parsed.success) {
    throw inputError("results", `${path}: ${parsed.issues[0].message}`, "Choose another folder, or delete this file.");
  }
  const { conditions: before, outcomes } = parsed.output;
  for (const key of ["experiment", "tokens", "recipe", "threads", "refrain"] as const) {
    if (before[key] !== conditions[key]) throw otherConditions(path, key, `${before[key]}`, `${conditions[key]}`);
  }
  if (before.text.sha256 !== conditions.text.sha256) {
    throw otherConditions(path, "text", before.text.name, conditions.text.name);
  }
  return outcomes;
}

const otherConditions = (path: string, what: string, before: string, now: string) =>
  inputError(
    "other-conditions",
    `${path} holds results of another ${what}: ${before}, this run has ${now}`,
    "Choose another folder: results of different conditions cannot be compared.",
  );

/** What stops an experiment, in its own words: it needs no --resume to go on, and goes on in its own folder. */
export function goesOnByItself(error: unknown): unknown {
  if (!RefrainError.is(error)) return error;
  const { code, message } = error;
  if (code === "disk-full") return failure(code, message, "Free some space; the same command then goes on.", error);
  if (code !== "interrupted" && code !== "not-writable") return error;
  return failure(code, message, "The same command goes on from there.", error);
}
