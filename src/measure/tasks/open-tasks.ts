/** Tasks with their items: read and checked as a whole, before anything is played. */
import { inputError } from "../../errors.ts";
import type { HubOptions } from "../../weights/hub.ts";
import { findData } from "./find-data.ts";
import type { Item } from "./item.ts";
import type { DataFile } from "./read-rows.ts";
import type { Task } from "./tasks.ts";

export interface OpenTask {
  readonly task: Task;
  readonly data: { readonly name: string; readonly sha256: string };
  readonly items: readonly PlacedItem[];
}

export interface PlacedItem {
  readonly item: Item;
  /** File and line, for messages. */
  readonly place: string;
}

/** @param given as in `findData`. Errors: those of `findData`, and `task-field`. */
export async function openTasks(
  tasks: readonly Task[],
  given: readonly string[],
  options: HubOptions,
): Promise<OpenTask[]> {
  const stray = given.find(
    (source) => /^\w+=/.test(source) && !tasks.some(({ name }) => source.startsWith(`${name}=`)),
  );
  if (stray !== undefined) {
    const asked = tasks.map(({ name }) => name).join(", ");
    throw inputError("task-data-missing", `--data ${stray}: no such task was asked for`, `Asked for: ${asked}.`);
  }
  const opened: OpenTask[] = [];
  for (const task of tasks) opened.push(openTask(task, await findData(task, given, options)));
  return opened;
}

/** Every row is checked, whatever the limit will be: a bad file is refused before an hour has gone into it. */
export function openTask(task: Task, { name, sha256, rows }: DataFile): OpenTask {
  if (rows.length === 0) throw inputError("task-data", `${name} has no rows`, "Give a file with items.");
  const items = rows.map((row) => ({ item: task.item(row), place: row.place }));
  return { task, data: { name, sha256 }, items };
}
