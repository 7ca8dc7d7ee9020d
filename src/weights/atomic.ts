/**
 * Writes a folder so that it appears whole or not at all: everything goes to a hidden folder beside it, which takes its
 * name at the end. Whatever stops the work (an error, an abort, Ctrl-C, exit) removes the hidden folder; one that a
 * killed process left behind is removed by the next that writes there.
 */
import { existsSync, rmSync } from "node:fs";
import { mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { inputError } from "../errors.ts";
import { type Disk, explainWriteError, interrupted, realDisk, requireSpace } from "./disk.ts";
import { isAlive, isSystemError } from "./node-file.ts";
import { syncFolder } from "./replace-file.ts";

export interface AtomicFolderOptions {
  /** About how much will be written; less free space than this is refused at once. */
  readonly bytes: number;
  readonly signal?: AbortSignal | undefined;
  readonly disk?: Disk | undefined;
  /** Whether a folder that is not empty may be replaced; by default none may. */
  readonly replaceable?: (folder: string) => Promise<boolean>;
}

/**
 * Calls `fill` with a new empty folder, which becomes `folder` when it is done; `fill` syncs its files to disk.
 * Errors: `output-exists`, `output-busy`, `interrupted`, `disk-full`, `not-writable`, and what `fill` throws.
 */
export async function writeFolder(
  folder: string,
  { bytes, signal, disk = realDisk, replaceable = async () => false }: AtomicFolderOptions,
  fill: (partial: string) => Promise<void>,
): Promise<void> {
  const target = resolve(folder);
  const parent = dirname(target);
  const partial = join(parent, `.${basename(target)}.partial-${process.pid}`);
  const stopIfAborted = () => {
    if (signal?.aborted) throw interrupted(`${folder} was not written.`);
  };
  stopIfAborted();
  if (partials.has(partial)) throw inputError("output-busy", `${folder} is being written already`);

  guard(partial);
  let created: string | undefined;
  try {
    created = await mkdir(parent, { recursive: true });
    await removeStale(target);
    await requireFree(target, folder, replaceable);
    await requireSpace(disk, parent, bytes);
    await mkdir(partial);
    await fill(partial);
    stopIfAborted();
    await syncFolder(partial);
    await moveInto(partial, target);
    await syncFolder(parent);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (created !== undefined) await removeEmpty(parent, created);
    throw explainWriteError(error, parent, bytes);
  } finally {
    unguard(partial);
  }
}

/** Refuses a folder that is not empty and not `replaceable`; messages call it `folder`. Error: `output-exists`. */
export async function requireFree(target: string, folder: string, replaceable: (folder: string) => Promise<boolean>) {
  const entries = await readdir(target).catch((error: unknown) => {
    if (isSystemError(error, "ENOENT")) return [];
    if (isSystemError(error, "ENOTDIR")) throw inputError("output-exists", `${folder} is a file, expected a folder`);
    throw error;
  });
  if (entries.length > 0 && !(await replaceable(target))) {
    const help = "Choose another folder. Only a model that Refrain wrote is ever replaced, and only with overwrite.";
    throw inputError("output-exists", `${folder} is not empty: it has ${entries.slice(0, 3).join(", ")}`, help);
  }
}

/** The old folder steps aside first, for a rename cannot replace one that is not empty; if the new cannot come, it returns. */
async function moveInto(partial: string, target: string): Promise<void> {
  const aside = join(dirname(target), `.${basename(target)}.replaced-${process.pid}`);
  const replaces = existsSync(target);
  if (replaces) await rename(target, aside);
  try {
    await rename(partial, target);
  } catch (error) {
    if (replaces) await rename(aside, target);
    throw error;
  }
  if (replaces) await rm(aside, { recursive: true });
}

/** Removes what processes that are gone left of an earlier attempt; a folder that had only stepped aside returns. */
async function removeStale(target: string): Promise<void> {
  const parent = dirname(target);
  for (const name of await readdir(parent)) {
    const [, kind, pid] = /\.(partial|replaced)-(\d+)$/.exec(name) ?? [];
    if (name !== `.${basename(target)}.${kind}-${pid}` || isOther(Number(pid))) continue;
    if (kind === "replaced" && !existsSync(target)) await rename(join(parent, name), target);
    else await rm(join(parent, name), { recursive: true, force: true });
  }
}

/** A folder with our own number was left by another process, or we would be guarding it and never have come here. */
const isOther = (pid: number): boolean => pid !== process.pid && isAlive(pid);

/** Removes the folders from `deepest` up to `top` that this process made, unless somebody has put something in. */
export async function removeEmpty(deepest: string, top: string): Promise<void> {
  for (let folder = deepest; folder.startsWith(top); folder = dirname(folder)) {
    if (
      !(await rmdir(folder).then(
        () => true,
        () => false,
      ))
    )
      return;
  }
}

/** The hidden folders that this process is filling. */
const partials = new Set<string>();
const endings: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

function guard(partial: string): void {
  if (partials.size === 0) {
    process.on("exit", removePartials);
    // First in the row: a listener that wants to be called once has left it by its own turn, and could not be counted.
    for (const signal of endings) process.prependListener(signal, onSignal);
  }
  partials.add(partial);
}

function unguard(partial: string): void {
  partials.delete(partial);
  if (partials.size > 0) return;
  process.off("exit", removePartials);
  for (const signal of endings) process.off(signal, onSignal);
}

function onSignal(signal: NodeJS.Signals): void {
  // Whoever else listens decides what the signal means, and aborts us if it means the end.
  if (process.listenerCount(signal) > 1) return;
  removePartials();
  process.off(signal, onSignal);
  process.kill(process.pid, signal);
}

function removePartials(): void {
  for (const partial of partials) rmSync(partial, { recursive: true, force: true, maxRetries: 3 });
}
