/**
 * The axis that the heat map and the bar chart share: one column for each step of the schedule, numbered from 0, and
 * below it a mark under the columns that are dropped. Both pictures put a step at the same x, so they can stand
 * under each other.
 */
import { ACCENT, FAINT } from "./color.ts";
import { formatRanges, runs } from "./format.ts";
import { type Markup, markup } from "./markup.ts";
import { label, line, MARGIN, PICTURE_WIDTH } from "./svg.ts";
import { pixelsOf } from "./text-width.ts";
import { labelEvery } from "./ticks.ts";

/** Left edge of step 0, behind the other axis' labels. */
export const PLOT_LEFT = 76;
const PLOT_WIDTH = PICTURE_WIDTH - PLOT_LEFT - MARGIN;
/** Few steps do not fill the width: cells as wide as a hand look like a mistake. */
const WIDEST_COLUMN = 110;

/** Height that `stepAxis` needs below the plot. */
export const STEP_AXIS_HEIGHT = 84;

/** Pixels between one step and the next. */
export function columnWidth(steps: number): number {
  return Math.min(WIDEST_COLUMN, PLOT_WIDTH / steps);
}

export function stepAxis(steps: number, y: number, title: string, dropped: readonly number[]): Markup {
  const column = columnWidth(steps);
  const right = PLOT_LEFT + steps * column;
  const every = labelEvery(column, pixelsOf(String(steps), 12) + 8);
  const ticks: Markup[] = [];
  for (let step = 0; step < steps; step += every) {
    const x = PLOT_LEFT + (step + 0.5) * column;
    ticks.push(line(x, y, x, y + 4, FAINT), label(x, y + 18, String(step), { anchor: "middle" }));
  }
  return markup`${line(PLOT_LEFT, y, right, y, FAINT)}${ticks}${droppedMark(dropped, column, y + 25)}${label(
    (PLOT_LEFT + right) / 2,
    y + 70,
    title,
    { size: 13, anchor: "middle" },
  )}`;
}

/** A thick line under every run of dropped steps, and their numbers in words. */
function droppedMark(dropped: readonly number[], column: number, y: number): Markup | undefined {
  if (dropped.length === 0) return undefined;
  const marks = runs(dropped).map(
    ([first, last]) => markup`<rect x="${PLOT_LEFT + first * column + 1}" y="${y}" width="${
      (last - first + 1) * column - 2
    }" height="4" fill="${ACCENT}"/>
`,
  );
  const text = `drop ${formatRanges(dropped)}`;
  const half = pixelsOf(text, 12, true) / 2;
  const center = PLOT_LEFT + ((dropped[0]! + dropped.at(-1)! + 1) / 2) * column;
  const x = Math.max(MARGIN + half, Math.min(PICTURE_WIDTH - MARGIN - half, center));
  return markup`${marks}${label(x, y + 20, text, { bold: true, color: ACCENT, anchor: "middle" })}`;
}
