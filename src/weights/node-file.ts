/** Files on disk as byte sources, small JSON files, and who else is there: the rim of this folder towards Node. */
import { readFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { inputError, RefrainError } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";
import { JsonReader } from "./json-reader.ts";

/** Opens a file for reading. Errors: `file-missing`, `file-unreadable`; reading past what is there: `truncated`. */
export async function openFile(path: string): Promise<ByteSource> {
  const handle = await open(path, "r").catch((error: unknown) => {
    throw unreadable(path, error);
  });
  let size: number;
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw inputError("file-unreadable", `${path} is not a file`);
    size = stats.size;
  } catch (error) {
    await handle.close();
    throw RefrainError.is(error) ? error : unreadable(path, error);
  }
  const readInto = (target: Uint8Array, begin: number) => fill(handle, path, target, begin);
  return {
    name: path,
    size,
    readInto,
    read: async (begin, end) => {
      if (end > size) throw truncated(path, begin, end - begin, Math.max(0, size - begin));
      const target = new Uint8Array(end - begin);
      await readInto(target, begin);
      return target;
    },
    close: () => handle.close(),
  };
}

/** A whole file of at most `maxBytes`. Errors as `openFile`, and `file-too-large`. */
export async function readSmallFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await openFile(path);
  try {
    if (file.size > maxBytes) {
      throw inputError("file-too-large", `${path} has ${file.size} bytes, expected at most ${maxBytes}`);
    }
    return await file.read(0, file.size);
  } finally {
    await file.close();
  }
}

/** A JSON object in a file, read strictly. Errors as `readSmallFile`, and `json` with line and column. */
export async function readJsonObject(path: string, maxBytes: number): Promise<Record<string, unknown>> {
  const json = new JsonReader(await readSmallFile(path, maxBytes), { name: path, code: "json" });
  const entries: [string, unknown][] = [];
  for (const key of json.keys()) entries.push([key, json.value()]);
  json.end();
  return Object.fromEntries(entries);
}

/** True where `error` is the system's, with one of these codes. */
export function isSystemError(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

/** Whether there is a process of this number. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0) && !isZombie(pid);
  } catch (error) {
    return isSystemError(error, "EPERM");
  }
}

/** A killed process that its parent does not wait for keeps its number, in a container for as long as that runs. Known on Linux only. */
function isZombie(pid: number): boolean {
  try {
    // The state stands behind the name, which may hold anything.
    return /^.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

async function fill(handle: FileHandle, path: string, target: Uint8Array, begin: number): Promise<void> {
  for (let done = 0; done < target.length; ) {
    // Linux reads at most 2 GiB at once, so less than asked for is not yet the end.
    const { bytesRead } = await handle.read(target, done, target.length - done, begin + done);
    if (bytesRead === 0) throw truncated(path, begin, target.length, done);
    done += bytesRead;
  }
}

function truncated(path: string, begin: number, expected: number, got: number): RefrainError {
  return inputError(
    "truncated",
    `${path} ends too early: expected ${expected} bytes at byte ${begin}, got ${got}`,
    "The file is incomplete; copy or download it again.",
  );
}

function unreadable(path: string, error: unknown): RefrainError {
  if (isSystemError(error, "ENOENT", "ENOTDIR")) {
    return inputError(
      "file-missing",
      `There is no file ${path}`,
      "Check the path; it is read from the current folder.",
    );
  }
  return inputError("file-unreadable", `Cannot read ${path}: ${error instanceof Error ? error.message : error}`);
}
