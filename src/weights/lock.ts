/**
 * Keeps two processes from writing to one place. Each puts a hidden file of its own name there first and then looks for those of others:
 * of two, at least one sees the other, and neither ever has to take away a file that might just have become another's. Two
 * that begin in the same instant may both be refused. A file whose process is gone is removed by the next that comes, so that a killed
 * process needs no cleaning up.
 */
import { readFileSync, rmSync } from "node:fs";
import { mkdir, readdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { inputError } from "../errors.ts";
import { removeEmpty } from "./atomic.ts";
import { explainWriteError } from "./disk.ts";
import { isAlive, isSystemError } from "./node-file.ts";

export interface Place {
  /** Where the lock lies; made where it is missing, and removed again if it stays empty. */
  readonly folder: string;
  /** Of the lock in the folder. */
  readonly name: string;
  /** What is locked, for messages. */
  readonly what: string;
}

const host = hostname().replace(/[^\w.-]/g, "_");

/** Does `work` while no other process works here. Errors: `output-busy`, `output-exists`, `disk-full`, `not-writable`, and those of `work`. */
export async function whileLocked<T>(wanted: Place, work: () => Promise<T>): Promise<T> {
  const { name, what } = wanted;
  const folder = resolve(wanted.folder);
  const created = await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    if (isSystemError(error, "EEXIST", "ENOTDIR")) {
      throw inputError("output-exists", `${wanted.folder} is a file, expected a folder`);
    }
    throw explainWriteError(error, folder, 0);
  });
  const place = await realpath(folder);
  const prefix = `.${name}.lock-`;
  const own = join(place, `${prefix}${host}-${process.pid}`);
  if (locks.has(own)) throw inputError("output-busy", `${what} is being written by this process already`);
  hold(own);
  try {
    await writeFile(own, beginningOf(process.pid) ?? "").catch((error: unknown) => {
      throw explainWriteError(error, folder, 0);
    });
    for (const other of await readdir(place)) {
      const path = join(place, other);
      if (!other.startsWith(prefix) || path === own) continue;
      const [, where, pid] = /^(.*)-(\d+)$/.exec(other.slice(prefix.length)) ?? [];
      if (where === undefined) continue;
      if (where !== host || (await isHeld(path, Number(pid)))) throw await busy(what, path, where, Number(pid));
      await rm(path, { force: true });
    }
    return await work();
  } finally {
    await rm(own, { force: true });
    release(own);
    if (created !== undefined) await removeEmpty(folder, created);
  }
}

/** Does work that ends in writing the folder `out`; the lock lies beside it. Errors as `whileLocked`. */
export async function whileWriting<T>(out: string, work: () => Promise<T>): Promise<T> {
  const path = resolve(out);
  return whileLocked({ folder: dirname(path), name: basename(path), what: out }, work);
}

/** Whether the process that wrote the file still runs. Where the system does not tell when it began, its number has to do. */
async function isHeld(path: string, pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const written = await readFile(path, "utf8").catch((error: unknown) => {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  });
  if (written === undefined) return false;
  const now = beginningOf(pid);
  // It may not have written yet.
  return written === "" || now === undefined || now === written;
}

/** The boot of the machine and when in it the process began: numbers of processes are given again. Known on Linux only. */
function beginningOf(pid: number): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    // Fields are counted behind the name, which may hold anything; the 22nd of all is the start.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return `${boot} ${fields[19]}`;
  } catch {
    return undefined;
  }
}

async function busy(what: string, path: string, where: string, pid: number) {
  const since = await stat(path).then(
    ({ mtime }) => `, since ${mtime.toISOString().replace(/\..*/, " UTC").replace("T", " ")}`,
    () => "",
  );
  return inputError(
    "output-busy",
    `${what} is in use by process ${pid}${where === host ? "" : ` of the machine ${where}`}${since}`,
    `Wait until it has ended, or choose another folder. If it is no process of Refrain's, delete ${path}`,
  );
}

/** The locks that this process has. */
const locks = new Set<string>();

function hold(lock: string): void {
  if (locks.size === 0) process.on("exit", removeLocks);
  locks.add(lock);
}

function release(lock: string): void {
  locks.delete(lock);
  if (locks.size === 0) process.off("exit", removeLocks);
}

function removeLocks(): void {
  for (const lock of locks) rmSync(lock, { force: true });
}
