/**
 * What several models get right, as groups of bars: a group for each task, a bar for each model with a whisker of one
 * standard error, and across each group a broken line where guessing would end.
 */
import type { TaskResult } from "../measure/tasks/evaluate.ts";
import { FAINT, GRID, INK, SERIES } from "./color.ts";
import { formatPercent } from "./format.ts";
import { type Markup, markup } from "./markup.ts";
import { CONTENT_TOP, label, line, MARGIN, PICTURE_WIDTH, picture } from "./svg.ts";
import { formatShare } from "./task-table.ts";
import { fitText, pixelsOf } from "./text-width.ts";
import { linearTicks } from "./ticks.ts";

export interface TaskBars {
  /** At least one, at most six; each has the results of the same tasks. */
  readonly models: readonly { readonly name: string; readonly tasks: readonly TaskResult[] }[];
}

const LEFT = 76;
const HEIGHT = 300;
const MOST_BARS_WITH_VALUES = 24;

/** An SVG file, 1000 pixels wide. */
export function taskBars({ models }: TaskBars): string {
  const tasks = models[0]!.tasks;
  const legendTop = CONTENT_TOP + 4;
  const top = CONTENT_TOP + 44;
  const bottom = top + HEIGHT;
  const right = PICTURE_WIDTH - MARGIN;
  const group = (right - LEFT) / tasks.length;
  const bar = Math.min(64, (group * 0.8) / models.length);
  const highest = Math.max(...models.flatMap(({ tasks }) => tasks.map(({ score }) => score.value + error(score))));
  const most = Math.min(1, Math.ceil(highest * 10 + 0.5) / 10);
  const yOf = (share: number) => bottom - (HEIGHT * Math.min(most, Math.max(0, share))) / most;
  const withValues = models.length * tasks.length <= MOST_BARS_WITH_VALUES;

  const grid = linearTicks(0, most, 5).map((tick) => [
    line(LEFT, yOf(tick), right, yOf(tick), GRID),
    label(LEFT - 8, yOf(tick) + 4, formatPercent(tick, 0), { anchor: "end" }),
  ]);
  const groups = tasks.map(({ title, chance }, t) => {
    const middle = LEFT + group * (t + 0.5);
    const begin = middle - (bar * models.length) / 2;
    const columns = models.map(({ name, tasks }, m) => {
      const { score } = tasks[t]!;
      return column({
        x: begin + m * bar,
        bar,
        yOf,
        score,
        m,
        title: `${name}, ${title}: ${formatShare(score)}`,
        withValues,
      });
    });
    const guess = yOf(chance);
    return [
      columns,
      chance > 0 &&
        markup`<line x1="${begin - 4}" y1="${guess}" x2="${begin + bar * models.length + 4}" y2="${guess}" stroke="${INK}" stroke-dasharray="4 3"/>
`,
      label(middle, bottom + 18, fitText(title, group - 4, 12), { anchor: "middle" }),
      label(middle, bottom + 34, metricOf(tasks[t]!), { anchor: "middle", size: 11, color: FAINT }),
    ];
  });
  return picture(
    {
      height: bottom + 56,
      title: models.length === 1 ? `What does ${models[0]!.name} get right?` : "What does each model get right?",
      subtitle: `Zero-shot, ${itemsInWords(tasks)}; whiskers: one standard error; broken line: guessing`,
      description: models
        .map(
          ({ name, tasks }) =>
            `${name}: ${tasks.map(({ title, score }) => `${title} ${formatShare(score)}`).join(", ")}.`,
        )
        .join(" "),
    },
    [grid, groups, line(LEFT, bottom, right, bottom, FAINT), legend(models, legendTop, right)],
  );
}

interface Column {
  readonly x: number;
  readonly bar: number;
  readonly yOf: (share: number) => number;
  readonly score: TaskResult["score"];
  /** Which model's it is. */
  readonly m: number;
  readonly title: string;
  readonly withValues: boolean;
}

function column({ x, bar, yOf, score, m, title, withValues }: Column): Markup {
  const y = yOf(score.value);
  const [high, low] = [yOf(score.value + error(score)), yOf(score.value - error(score))];
  const middle = x + bar / 2;
  const half = Math.min(5, bar / 4);
  const ends = [high, low].map((end) => line(middle - half, end, middle + half, end, INK));
  return markup`<rect x="${x + 1}" y="${y}" width="${Math.max(1, bar - 2)}" height="${Math.max(1, yOf(0) - y)}" fill="${color(m)}" fill-opacity="0.85"><title>${title}</title></rect>
${line(middle, high, middle, low, INK)}${ends}${withValues && label(middle, high - 5, (score.value * 100).toFixed(1), { size: 11, anchor: "middle" })}`;
}

const color = (model: number): string => SERIES[model % SERIES.length]!;

const error = ({ standardError }: TaskResult["score"]): number => (Number.isFinite(standardError) ? standardError : 0);

function metricOf({ metrics }: TaskResult): string {
  return metrics.acc_norm ? "acc_norm" : "acc";
}

function itemsInWords(tasks: readonly TaskResult[]): string {
  const counts = tasks.map(({ items }) => items);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? `${least} items each` : `${least} to ${most} items`;
}

function legend(models: TaskBars["models"], y: number, right: number): Markup[] {
  const room = (right - LEFT) / models.length;
  let x = LEFT;
  return models.map(({ name }, m) => {
    const text = fitText(name, room - 36, 12);
    const entry = markup`<rect x="${x}" y="${y - 6}" width="14" height="12" fill="${color(m)}" fill-opacity="0.85"/>
${label(x + 20, y + 4, text)}`;
    x += 20 + pixelsOf(text, 12) + 20;
    return entry;
  });
}
