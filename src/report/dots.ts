/**
 * A dot for each run of each arm of an experiment, a line from the least to the most, and a tick at the mean: which arm is
 * better, and whether the spread of the runs lets anyone say so. Left is better.
 */
import { ACCENT, FAINT, GRID, INK, PLAIN } from "./color.ts";
import { formatNumber } from "./format.ts";
import { type Markup, markup } from "./markup.ts";
import { CONTENT_TOP, label, line, MARGIN, PICTURE_WIDTH, picture } from "./svg.ts";
import { fitText } from "./text-width.ts";
import { linearTicks } from "./ticks.ts";

export interface Dots {
  readonly title: string;
  readonly subtitle: string;
  /** What is across, with the unit. */
  readonly x: string;
  readonly arms: readonly { readonly name: string; readonly note: string; readonly values: readonly number[] }[];
}

const LEFT = 330;
const ROW = 30;

/** An SVG file, 1000 pixels wide. Arms without values are drawn as empty rows. */
export function dots({ title, subtitle, x, arms }: Dots): string {
  const all = arms.flatMap(({ values }) => values);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const margin = (high - low || Math.abs(high) || 1) * 0.06;
  const [min, max] = all.length > 0 ? [low - margin, high + margin] : [0, 1];
  const right = PICTURE_WIDTH - MARGIN;
  const at = (value: number) => LEFT + ((value - min) / (max - min)) * (right - LEFT);
  const top = CONTENT_TOP + 8;
  const bottom = top + arms.length * ROW;
  const best = Math.min(...arms.filter(({ values }) => values.length > 0).map(({ values }) => mean(values)));

  const rows = arms.map(({ name, note, values }, i) => {
    const y = top + (i + 0.5) * ROW;
    const color = values.length > 0 && mean(values) === best ? ACCENT : PLAIN;
    return [
      label(MARGIN, y - 1, fitText(name, LEFT - MARGIN - 16, 13, true), { size: 13, bold: true }),
      label(MARGIN, y + 12, fitText(note, LEFT - MARGIN - 16, 11), { size: 11, color: FAINT }),
      values.length > 0 && [
        line(at(Math.min(...values)), y, at(Math.max(...values)), y, color, 2),
        line(at(mean(values)), y - 8, at(mean(values)), y + 8, INK, 2),
        values.map((value) => dot(at(value), y, color, `${name}: ${formatNumber(value, 5)}`)),
      ],
    ];
  });
  const grid = linearTicks(min, max, 8).map((tick) => [
    line(at(tick), top, at(tick), bottom, GRID),
    label(at(tick), bottom + 18, String(tick), { anchor: "middle" }),
  ]);
  const inWords = arms.map(({ name, values }) =>
    values.length > 0 ? `${name} ${formatNumber(mean(values), 4)} (${values.length})` : `${name} not run`,
  );
  return picture(
    {
      height: bottom + 64,
      title,
      subtitle,
      description: `Mean ${x} of each arm, and how many runs: ${inWords.join("; ")}.`,
    },
    [grid, rows, label((LEFT + right) / 2, bottom + 44, x, { size: 13, anchor: "middle" })],
  );
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function dot(x: number, y: number, color: string, title: string): Markup {
  return markup`<circle cx="${x}" cy="${y}" r="4.5" fill="${color}" fill-opacity="0.75"><title>${title}</title></circle>
`;
}
