/** Where the data of a task lies: in a folder or file that a person names, or on the hub. */
import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { inputError } from "../../errors.ts";
import type { HubOptions } from "../../weights/hub.ts";
import { DATA_ENDINGS, type DataFile, readRows } from "./read-rows.ts";
import type { Task } from "./tasks.ts";

/**
 * @param given folders, and `name=FILE` for single tasks; where there are none, the hub is asked.
 * Errors: `task-data-missing`, `task-data`, those of the hub and of files.
 */
export async function findData(task: Task, given: readonly string[], options: HubOptions): Promise<DataFile> {
  const named = given.filter((source) => source.startsWith(`${task.name}=`));
  if (named.length > 0) return readRows(named.at(-1)!.slice(task.name.length + 1));
  const folders = given.filter((source) => !/^\w+=/.test(source));
  for (const folder of folders) {
    const file = await findFile(task, folder);
    if (file !== undefined) return readRows(file);
  }
  if (folders.length > 0) {
    const names = [task.name, ...task.aliases].map((name) => `${name}.jsonl`).join(" or ");
    throw inputError(
      "task-data-missing",
      `${task.name}: no data in ${folders.join(", ")}`,
      `Put ${names} there (or .csv, .parquet), or name a file: --data ${task.name}=FILE`,
    );
  }
  // The client of the hub is loaded by those alone who ask for it.
  const { fetchDataset } = await import("../../weights/hub-dataset.ts");
  return readRows(await fetchDataset(task.hub, options));
}

/** A file that is called as the task, or else one whose name begins so: mmlu_test_first200.jsonl. */
async function findFile({ name, aliases }: Task, folder: string): Promise<string | undefined> {
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) {
    const help = "Give a folder with the files of the tasks, or NAME=FILE for one task.";
    throw inputError("task-data-missing", `There is no folder ${folder}`, help);
  }
  const files = (await readdir(folder)).filter((file) => DATA_ENDINGS.includes(extname(file).toLowerCase())).sort();
  const names = [name, ...aliases];
  const stem = (file: string) => file.slice(0, -extname(file).length).toLowerCase();
  const exact = files.filter((file) => names.includes(stem(file)));
  const matches =
    exact.length > 0 ? exact : files.filter((file) => names.some((name) => stem(file).startsWith(`${name}_`)));
  if (matches.length > 1) {
    const help = `Name the one that is meant: --data ${name}=${join(folder, matches[0]!)}`;
    throw inputError("task-data-missing", `${folder} has several files for ${name}: ${matches.join(", ")}`, help);
  }
  return matches[0] && join(folder, matches[0]);
}
