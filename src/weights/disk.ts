/** What writing needs of a disk, so that a test can put a full one in its place. */
import { type FileHandle, statfs } from "node:fs/promises";
import { failure, type RefrainError } from "../errors.ts";
import { isSystemError } from "./node-file.ts";

export interface Disk {
  /** Bytes that this user may still write where `folder` is; `folder` exists. */
  freeBytes(folder: string): Promise<number>;
  /** Writes all bytes at a position of the file. */
  write(file: FileHandle, bytes: Uint8Array, position: number): Promise<void>;
}

export const realDisk: Disk = {
  freeBytes: async (folder) => {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  },
  write: async (file, bytes, position) => {
    for (let done = 0; done < bytes.length; ) {
      done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    }
  },
};

/** Refuses work that cannot end well. Error: `disk-full`. */
export async function requireSpace(disk: Disk, folder: string, bytes: number): Promise<void> {
  const free = await disk.freeBytes(folder);
  if (free < bytes) throw diskFull(folder, bytes, `${free} are free`);
}

/** The error as it is, or `disk-full` where that is what the system means. */
export function explainWriteError(error: unknown, folder: string, bytes: number): unknown {
  if (isSystemError(error, "ENOSPC", "EDQUOT")) return diskFull(folder, bytes, "the disk became full", error);
  if (isSystemError(error, "EACCES", "EPERM", "EROFS")) {
    return failure("not-writable", `Cannot write to ${folder}: ${(error as Error).message}`, undefined, error);
  }
  return error;
}

/** What stopped on request leaves behind: nothing but this. */
export function interrupted(what: string): RefrainError {
  return failure("interrupted", `Interrupted; ${what}`);
}

function diskFull(folder: string, bytes: number, problem: string, cause?: unknown): RefrainError {
  const help = "Free some space or choose a folder on another disk.";
  const needed = bytes > 0 ? `${bytes} bytes are needed, ` : "";
  return failure("disk-full", `Not enough space in ${folder}: ${needed}${problem}`, help, cause);
}
