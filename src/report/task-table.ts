/** Results of tasks as tables: of one model, and of several side by side. */
import { type TaskResult, taskMean } from "../measure/tasks/evaluate.ts";
import type { Figure } from "../measure/tasks/metrics.ts";
import { formatCount, formatNumber, formatPercent, formatShortCount } from "./format.ts";
import type { Column, Row } from "./table.ts";

/** "38.2 ± 3.4 %"; a single item has no error. */
export function formatShare({ value, standardError }: Figure): string {
  if (!Number.isFinite(standardError)) return formatPercent(value, 1);
  return `${(value * 100).toFixed(1)} ± ${formatPercent(standardError, 1)}`;
}

/** "−1.3 ± 0.9": points, of a difference of two shares. */
export function formatDifference({ value, standardError }: Figure): string {
  const points = (x: number) => (100 * x).toFixed(1);
  const amount = points(Math.abs(value));
  const sign = Number(amount) === 0 ? "" : value < 0 ? "−" : "+";
  return `${sign}${amount}${Number.isFinite(standardError) ? ` ± ${points(standardError)}` : ""}`;
}

export function formatPerplexity({ value, standardError }: Figure): string {
  const write = (x: number, digits: number) => (x < 1e6 ? formatNumber(x, digits) : formatShortCount(x));
  const error = Number.isFinite(standardError) ? ` ± ${write(standardError, 2)}` : "";
  return `${write(value, 4)}${error}`;
}

/** A line for each task, and their mean. */
export function taskTable(results: readonly TaskResult[]): { readonly columns: Column[]; readonly rows: Row[] } {
  const withPerplexity = results.some(({ metrics }) => metrics.perplexity);
  const columns: Column[] = [
    { title: "task", align: "left" },
    { title: "items" },
    { title: "acc" },
    { title: "acc_norm" },
    { title: "chance" },
    ...(withPerplexity ? [{ title: "perplexity" }] : []),
  ];
  const rows = results.map(({ title, items, metrics, chance }) => [
    title,
    formatCount(items),
    metrics.acc ? formatShare(metrics.acc) : "",
    metrics.acc_norm ? formatShare(metrics.acc_norm) : "",
    formatPercent(chance, 1),
    ...(withPerplexity ? [metrics.perplexity ? formatPerplexity(metrics.perplexity) : ""] : []),
  ]);
  return { columns, rows };
}

/** "mean of 8 tasks 45.2 ± 1.1 %, chance 35.0 %; …" */
export function taskMeanInWords(results: readonly TaskResult[]): string {
  const { chance, ...mean } = taskMean(results);
  return `mean of ${results.length} tasks ${formatShare(mean)}, by chance ${formatPercent(chance, 1)} (acc_norm where a task has it, else acc; ± is one standard error)`;
}

/** A line for each part of the tasks that have parts; undefined where none has. */
export function groupTable(
  results: readonly TaskResult[],
): { readonly columns: Column[]; readonly rows: Row[] } | undefined {
  const rows = results.flatMap(({ groups }) =>
    groups.map((group) => [group.name.replaceAll("_", " "), formatCount(group.items), formatShare(group)]),
  );
  if (rows.length === 0) return undefined;
  return { columns: [{ title: "subject", align: "left" }, { title: "items" }, { title: "acc" }], rows };
}
