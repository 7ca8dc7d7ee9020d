/** Options of the commands that judge models by tasks. */
import { inputError } from "../errors.ts";
import { type Task, tasks } from "../measure/tasks/tasks.ts";
import { nearest } from "../nearest.ts";
import { integer, type Option, texts } from "./options.ts";

const names = tasks.map(({ name }) => name);

/** `--tasks arc_easy,piqa` or `--tasks all`; undefined where it is not given. */
const list: Option<readonly Task[] | undefined> = {
  arg: {
    type: "string",
    valueHint: "NAME,…",
    description: `the zero-shot tasks ${names.join(", ")}; or all`,
  },
  read: (raw, shown) => {
    if (raw === undefined) return undefined;
    if (raw === "all") return tasks;
    const wanted = String(raw).split(",");
    const found = [...new Set(wanted)].map((name) => tasks.find((task) => task.name === name.trim()) ?? unknown(name));
    return found;

    function unknown(name: string): never {
      const meant = nearest(name, names);
      const help = `${meant ? `Did you mean ${meant}? ` : ""}The tasks are ${names.join(", ")}.`;
      throw inputError("option-value", `${shown}: no task is called "${name}"`, help);
    }
  },
};

export const taskOptions = {
  tasks: list,
  data: texts({
    hint: "FOLDER",
    description: "where the tasks' files lie, or NAME=FILE for one; may be given several times (default: the hub)",
  }),
  limit: integer({
    hint: "N",
    min: 1,
    max: 10_000_000,
    description: "only the first N items of each task; of MMLU, of each subject",
  }),
} as const;

/** What is said where `--data` or `--limit` stands without `--tasks`. */
export function refuseWithoutTasks(
  command: string,
  values: { data: readonly string[]; limit: number | undefined },
): void {
  const stray = values.data.length > 0 ? "--data" : values.limit !== undefined ? "--limit" : undefined;
  if (stray === undefined) return;
  throw inputError(
    "option-conflict",
    `refrain ${command}: ${stray} goes with --tasks`,
    "Name tasks, e.g. --tasks arc_easy,piqa",
  );
}
