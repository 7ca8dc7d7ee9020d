/** `refrain eval MODEL --tasks …`: zero-shot tasks. */
import { evaluateTasks, taskMean } from "../measure/tasks/evaluate.ts";
import type { OpenTask } from "../measure/tasks/open-tasks.ts";
import type { Model } from "../refrain.ts";
import { formatCount, formatDuration, formatRate } from "../report/format.ts";
import { textTable } from "../report/table.ts";
import { groupTable, taskMeanInWords, taskTable } from "../report/task-table.ts";
import type { CommandContext } from "./define.ts";

interface Values {
  readonly limit: number | undefined;
  readonly weights: string | undefined;
}

export async function evalTasks(
  model: Model,
  tasks: readonly OpenTask[],
  { limit, weights }: Values,
  { output, signal, onProgress }: CommandContext,
): Promise<void> {
  const results = await evaluateTasks(model, tasks, { limit, signal, onProgress });
  const table = taskTable(results);
  const groups = groupTable(results);
  const sum = (of: (result: (typeof results)[number]) => number) => results.reduce((total, one) => total + of(one), 0);
  const known = sum(({ fromCache }) => fromCache);
  const scored = sum(({ items }) => items) - known;
  const seconds = sum((result) => result.seconds);
  const cut = results.filter(({ truncated }) => truncated > 0);
  output.result(
    {
      model: model.name,
      schedule: model.schedule,
      weights: weights ?? "file",
      cache: model.cache,
      engine: model.engine,
      tasks: results,
      mean: taskMean(results),
    },
    [
      textTable(table.columns, table.rows),
      ...(results.length > 1 ? [taskMeanInWords(results)] : []),
      ...(groups ? [textTable(groups.columns, groups.rows)] : []),
      [
        `model      ${model.name}, schedule ${model.schedule}, weights ${weights ?? "as in the file"}${model.cache === "f32" ? "" : `, ${model.cache} cache`}`,
        `scored     ${formatCount(scored)} items${scored > 0 ? ` in ${formatDuration(seconds)}, ${formatRate(scored / seconds, "items")}` : ""}${known > 0 ? `; ${formatCount(known)} were known` : ""}; ${model.engine}`,
        ...cut.map(
          ({ title, truncated }) => `cut        ${title}: ${truncated} items are longer than the model's context`,
        ),
        "Zero-shot, prompts and scoring as in lm-evaluation-harness 0.4.13. ± is one standard error.",
      ].join("\n"),
    ].join("\n\n"),
  );
}
