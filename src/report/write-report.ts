/** Writes the files of a report into a folder, all or none of them. */
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFolder } from "../weights/atomic.ts";

/** What a report consists of; a folder that holds nothing else may be replaced by a new one. */
const known = /^(report\.html|similarity\.json|comparison\.json|(heatmap|influence|schedules)\.(svg|png))$/;

/** Throws `output-exists` where the folder holds anything but an earlier report. */
export async function writeReport(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  signal?: AbortSignal,
): Promise<void> {
  const contents = Object.entries(files).map(([name, content]) => [name, Buffer.from(content)] as const);
  const bytes = contents.reduce((sum, [, content]) => sum + content.length, 0);
  const replaceable = async (path: string) => (await readdir(path)).every((name) => known.test(name));
  await writeFolder(folder, { bytes, signal, replaceable }, async (partial) => {
    for (const [name, content] of contents) {
      const file = await open(join(partial, name), "wx");
      try {
        await file.writeFile(content);
        await file.sync();
      } finally {
        await file.close();
      }
    }
  });
}
