/**
 * Writes the files of a report into a folder, beside whatever else is there: each under a hidden name first, and when
 * all are on disk they take their own names. So files are whole or not there, and an earlier report stays until then.
 */
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { inputError } from "../errors.ts";
import { explainWriteError, interrupted, realDisk, requireSpace } from "../weights/disk.ts";
import { isSystemError } from "../weights/node-file.ts";

/** Makes the folder where it is missing. Errors: `output-exists`, `not-writable`, `disk-full`, `interrupted`. */
export async function writeReport(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  signal?: AbortSignal,
): Promise<void> {
  const contents = Object.entries(files).map(([name, content]) => ({
    path: join(folder, name),
    partial: join(folder, `.${name}.partial-${process.pid}`),
    bytes: Buffer.from(content),
  }));
  const total = contents.reduce((sum, { bytes }) => sum + bytes.length, 0);
  await requireReportFolder(folder);
  try {
    await mkdir(folder, { recursive: true });
    await requireSpace(realDisk, folder, total);
    for (const { partial, bytes } of contents) {
      if (signal?.aborted) throw interrupted(`nothing was written to ${folder}.`);
      await writeWhole(partial, bytes);
    }
    for (const { partial, path } of contents) await rename(partial, path);
  } catch (error) {
    await Promise.all(contents.map(({ partial }) => rm(partial, { force: true })));
    throw explainWriteError(error, folder, total);
  }
}

/** Refuses a place where no folder can be, for those who have long work to do before they write. Error: `output-exists`. */
export async function requireReportFolder(folder: string): Promise<void> {
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    (error: unknown) => !isSystemError(error, "ENOTDIR"),
  );
  if (!isFolder) throw inputError("output-exists", `${folder} is a file, expected a folder`, "Choose another --out.");
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "w");
  try {
    await realDisk.write(file, bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}
