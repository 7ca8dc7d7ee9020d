/**
 * What is kept of a healing while it runs, beside what it will write: `STATE.safetensors` (run-state.ts) and `STATE.jsonl`. It is only gone on
 * with by the same model, text and options.
 */
import { rm, stat } from "node:fs/promises";
import { inputError } from "../errors.ts";
import type { HealSettings } from "./heal-options.ts";
import { type Identity, openRun, type SavedRun } from "./run-state.ts";

const files = (state: string) => ({ checkpoint: `${state}.safetensors`, log: `${state}.jsonl` });
export const healStateFiles = files;

/** What a healing is of. */
export interface HealIdentity {
  readonly settings: HealSettings;
  readonly schedule: string;
  /** Fingerprints. */
  readonly model: string;
  readonly teacher: string | undefined;
  /** sha256 of the text. */
  readonly text: string;
}

export const identityOf = ({ settings, ...rest }: HealIdentity, steps: number): Identity => ({
  settings: JSON.stringify(settings),
  ...rest,
  teacher: rest.teacher ?? "none",
  runSteps: String(steps),
});

/** The saved run and its number of steps, or undefined for a new one. Throws `output-exists`, `run-missing`, `run-config`, `run-data`. */
export async function openHealState(
  state: string,
  resume: boolean,
  identity: HealIdentity,
): Promise<{ readonly saved: SavedRun; readonly runSteps: number } | undefined> {
  const { checkpoint } = files(state);
  const saved = await openRun(checkpoint);
  if (saved === undefined) {
    if (!resume) return undefined;
    throw inputError("run-missing", `there is no ${checkpoint} to go on with`, "Leave --resume out to begin.");
  }
  try {
    if (!resume) throw unfinished(checkpoint);
    const was = saved.identity;
    const runSteps = Number(was.runSteps);
    const settings = parsed(was.settings);
    if (!Number.isSafeInteger(runSteps) || runSteps < 1 || settings === undefined) {
      throw inputError("checkpoint-damaged", `${checkpoint} is of no healing`, "Delete it to begin anew.");
    }
    const now = identityOf(identity, runSteps);
    if (was.text !== now.text) {
      throw other("run-data", `${checkpoint} was healed with another text`, "the text");
    }
    for (const key of ["model", "teacher", "schedule"] as const) {
      if (was[key] !== now[key]) throw other("run-config", `${checkpoint} is of another ${key}`, `the ${key}`);
    }
    const changed = firstDifference(settings, identity.settings);
    if (changed !== undefined) {
      throw other("run-config", `${checkpoint} began with another ${changed}`, "the options");
    }
    return { saved, runSteps };
  } catch (error) {
    await saved.close();
    throw error;
  }
}

/** Refuses early what `openHealState` would refuse after the model is loaded. Throws `output-exists`. */
export async function requireNoHealState(state: string): Promise<void> {
  const { checkpoint } = files(state);
  if (await stat(checkpoint).catch(() => undefined)) throw unfinished(checkpoint);
}

/** When the work is done. */
export async function removeHealState(state: string): Promise<void> {
  await Promise.all(Object.values(files(state)).map((path) => rm(path, { force: true })));
}

const unfinished = (checkpoint: string) =>
  inputError(
    "output-exists",
    `${checkpoint} is of a healing that is not finished`,
    "Go on with it: --resume. Or delete it.",
  );

const other = (code: string, message: string, what: string) =>
  inputError(code, message, `Go on with ${what} that it began with, or delete it to begin anew.`);

function parsed(settings: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(settings ?? "");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** `rate: 0.001, now 0.002` */
function firstDifference(was: Record<string, unknown>, settings: HealSettings): string | undefined {
  const now = JSON.parse(JSON.stringify(settings)) as Record<string, unknown>;
  for (const key of Object.keys({ ...was, ...now })) {
    const [a, b] = [JSON.stringify(was[key]), JSON.stringify(now[key])];
    if (a !== b) return `${key}: ${a ?? "none"}, now ${b ?? "none"}`;
  }
  return undefined;
}
