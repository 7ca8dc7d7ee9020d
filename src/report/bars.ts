/**
 * Block Influence (ShortGPT, arXiv 2403.03853) as a bar for each step of the schedule, to stand under the heat map:
 * same columns. The axis is logarithmic, because the first step often scores a hundred times what the others do and
 * the choice is among the small ones; so the bars say which, the labels say how much.
 */
import type { Similarity } from "../measure/similarity.ts";
import { ACCENT, FAINT, GRID, INK, PLAIN } from "./color.ts";
import { formatNumber, formatRanges } from "./format.ts";
import { describeSample, type Sample } from "./heatmap.ts";
import { type Markup, markup } from "./markup.ts";
import { columnWidth, PLOT_LEFT, STEP_AXIS_HEIGHT, stepAxis } from "./step-axis.ts";
import { CONTENT_TOP, label, line, MARGIN, picture } from "./svg.ts";
import { logTicks } from "./ticks.ts";

export interface Bars {
  readonly model: string;
  readonly text: Sample;
  readonly influence: Similarity["influence"];
  /** Standard errors, drawn as whiskers. */
  readonly errors?: readonly number[];
  /** Steps that will be dropped, ascending. */
  readonly dropped?: readonly number[];
}

const HEIGHT = 230;
const MOST_STEPS_WITH_VALUES = 20;
/** A step that changes nothing still has a place on a logarithmic axis. */
const FLOOR = 1e-6;

/** An SVG file, 1000 pixels wide. */
export function bars({ model, text, influence, errors, dropped = [] }: Bars): string {
  const steps = influence.length;
  const column = columnWidth(steps);
  const top = CONTENT_TOP + 16;
  const bottom = top + HEIGHT;
  const right = PLOT_LEFT + steps * column;
  const { min, max } = range(influence);
  const yOf = (value: number) =>
    bottom - (HEIGHT * Math.log(Math.min(max, Math.max(min, value)) / min)) / Math.log(max / min);

  const grid = logTicks(min, max).map((tick) => [
    line(PLOT_LEFT, yOf(tick), right, yOf(tick), GRID),
    label(PLOT_LEFT - 8, yOf(tick) + 4, formatNumber(tick, 1), { anchor: "end" }),
  ]);
  const columns = influence.map((value, step) => {
    const x = PLOT_LEFT + step * column;
    const gap = Math.max(1, column * 0.14);
    const error = errors?.[step];
    return [
      bar(x + gap, yOf(value), column - 2 * gap, bottom, dropped.includes(step), `layer ${step}: ${value.toFixed(4)}`),
      error !== undefined && whisker(x + column / 2, yOf(value + error), yOf(value - error), Math.min(4, column / 4)),
      steps <= MOST_STEPS_WITH_VALUES &&
        label(x + column / 2, yOf(value + (error ?? 0)) - 5, formatNumber(value, 2), { size: 11, anchor: "middle" }),
    ];
  });

  const order = Array.from(influence.keys()).sort((a, b) => influence[a]! - influence[b]! || b - a);
  const choice = dropped.length > 0 ? ` Dropped: ${formatRanges(dropped)}.` : "";
  return picture(
    {
      height: bottom + STEP_AXIS_HEIGHT,
      title: `How much does each layer of ${model} change?`,
      subtitle: `${describeSample(text)} · 1 − cosine of what a layer reads and what it leaves, mean over tokens`,
      description: `Bar chart of the Block Influence of ${steps} layers. From least to most: ${order.map((step) => `layer ${step} ${formatNumber(influence[step]!)}`).join(", ")}.${choice}`,
    },
    [
      grid,
      columns,
      label(MARGIN + 4, (top + bottom) / 2, "Block Influence (log scale)", {
        size: 13,
        anchor: "middle",
        upwards: true,
      }),
      errors && label(right, CONTENT_TOP + 4, "whiskers: ± one standard error", { color: FAINT, anchor: "end" }),
      stepAxis(steps, bottom, "Layer (counted from 0)", dropped),
    ],
  );
}

/** Ends of the axis: a little below the least and above the most, so that every bar has a height. */
function range(influence: readonly number[]): { min: number; max: number } {
  const low = influence.reduce((a, b) => Math.min(a, b), 2);
  const high = influence.reduce((a, b) => Math.max(a, b), 0);
  const min = Math.max(FLOOR, low / 1.6);
  return { min, max: Math.max(min * 10, high * 1.3) };
}

/** Dropped ones are told apart by more than color: hatched inside their outline. */
function bar(x: number, y: number, width: number, bottom: number, dropped: boolean, title: string): Markup {
  const paint = dropped
    ? markup`fill="url(#hatch)" stroke="${ACCENT}" stroke-width="1.5"`
    : markup`fill="${PLAIN}" stroke="none"`;
  return markup`<rect x="${x}" y="${y}" width="${width}" height="${Math.max(1, bottom - y)}" ${paint}><title>${title}</title></rect>
`;
}

function whisker(x: number, high: number, low: number, half: number): Markup {
  return markup`${line(x, high, x, low, INK)}${line(x - half, high, x + half, high, INK)}${line(x - half, low, x + half, low, INK)}`;
}
