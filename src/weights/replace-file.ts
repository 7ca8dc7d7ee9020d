/**
 * Writes one file so that its path always names a whole one: under a hidden name beside it first, synced, and then it takes the place of
 * what was there. What a killed process left under the hidden name is overwritten by the next.
 */
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Disk, explainWriteError, realDisk, requireSpace } from "./disk.ts";

/** Errors: `disk-full`, `not-writable`, and what `chunks` throws; the old file is then as it was. */
export async function replaceFile(
  path: string,
  bytes: number,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  disk: Disk = realDisk,
): Promise<void> {
  const folder = dirname(path);
  const partial = join(folder, `.${basename(path)}.partial`);
  try {
    // Its own leftover must not count as space that is taken.
    await rm(partial, { force: true });
    await requireSpace(disk, folder, bytes);
    const file = await open(partial, "wx");
    try {
      let position = 0;
      for await (const chunk of chunks) {
        await disk.write(file, chunk, position);
        position += chunk.length;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(partial, { force: true });
    throw explainWriteError(error, folder, bytes);
  }
}

/** The same for a text. */
export async function replaceText(path: string, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  await replaceFile(path, bytes.length, [bytes]);
}

/** What has a new name in the folder has it after a power cut too. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a folder; there a rename is durable without.
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
