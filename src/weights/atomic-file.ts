/** Writes one file so that it is whole or as it was: beside it first, to disk, then under its name. */
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { explainWriteError } from "./disk.ts";

/** Errors: `not-writable`, `disk-full`. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  try {
    const file = await open(partial, "w");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw explainWriteError(error, dirname(path), Buffer.byteLength(content));
  }
}
