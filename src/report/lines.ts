/**
 * A line chart: perplexity over dropped layers, loss over steps. Linear axes, or a logarithmic one across; every series has its own color
 * and mark.
 */
import { FAINT, GRID, INK, SERIES } from "./color.ts";
import { formatCount, formatNumber } from "./format.ts";
import { type Markup, markup } from "./markup.ts";
import { CONTENT_TOP, label, line, MARGIN, PICTURE_WIDTH, picture } from "./svg.ts";
import { fitText, pixelsOf } from "./text-width.ts";
import { linearTicks } from "./ticks.ts";

export interface Series {
  readonly name: string;
  /** [x, y] in ascending x; pairs that are not finite leave a gap. */
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Marks alone, without a line through them. */
  readonly scattered?: boolean;
}

export interface Lines {
  readonly title: string;
  readonly subtitle: string;
  /** What the axes show, with the unit. */
  readonly x: string;
  readonly y: string;
  /** At most six. */
  readonly series: readonly Series[];
  /** Across, a logarithmic axis with these ticks. */
  readonly logarithmic?: { readonly ticks: readonly number[]; readonly written: (tick: number) => string };
}

const LEFT = 96;
const HEIGHT = 360;

/** An SVG file, 1000 pixels wide. */
export function lines({ title, subtitle, x, y, series, logarithmic }: Lines): string {
  const points = series.flatMap((one) => one.points).filter(isFinitePoint);
  const legendTop = CONTENT_TOP + 4;
  const top = CONTENT_TOP + 30;
  const bottom = top + HEIGHT;
  const right = PICTURE_WIDTH - MARGIN;
  const xs = points.map((point) => point[0]);
  const across = logarithmic ? logarithmicAxis(xs, logarithmic.ticks, LEFT, right) : axis(xs, LEFT, right, 10);
  const upwards = axis(
    points.map((point) => point[1]),
    bottom,
    top,
    7,
  );

  const grid = [
    upwards.ticks.map((tick) => [
      line(LEFT, upwards.at(tick), right, upwards.at(tick), GRID),
      label(LEFT - 8, upwards.at(tick) + 4, written(tick), { anchor: "end" }),
    ]),
    across.ticks.map((tick) => [
      line(across.at(tick), bottom, across.at(tick), bottom + 4, FAINT),
      label(across.at(tick), bottom + 18, (logarithmic?.written ?? written)(tick), { anchor: "middle" }),
    ]),
    line(LEFT, bottom, right, bottom, FAINT),
  ];
  const curves = series.map(({ points: own, scattered }, i) => {
    const places = own.map((point) =>
      isFinitePoint(point) ? ([across.at(point[0]), upwards.at(point[1])] as const) : undefined,
    );
    const marks = places.map((place) => (place && (scattered || own.length <= 60) ? mark(i, ...place) : undefined));
    return [
      !scattered &&
        markup`<path d="${path(places)}" fill="none" stroke="${color(i)}" stroke-width="2" stroke-linejoin="round"/>
`,
      marks,
    ];
  });

  const ranges = series.map(({ name, points: own }) => {
    const last = own.at(-1);
    return last ? `${name} ends at ${formatNumber(last[0])}, ${formatNumber(last[1])}` : `${name} is empty`;
  });
  return picture(
    {
      height: bottom + 64,
      title,
      subtitle,
      description: `Line chart of ${y} over ${x}. ${ranges.join("; ")}.`,
    },
    [
      grid,
      curves,
      legend(series, legendTop),
      label((LEFT + right) / 2, bottom + 44, x, { size: 13, anchor: "middle" }),
      label(MARGIN + 4, (top + bottom) / 2, y, { size: 13, anchor: "middle", upwards: true }),
    ],
  );
}

function isFinitePoint([x, y]: readonly [number, number]): boolean {
  return Number.isFinite(x) && Number.isFinite(y);
}

interface Axis {
  readonly ticks: readonly number[];
  /** Pixels of a value. */
  at(value: number): number;
}

/** From the least to the most value, widened to the ticks around them. */
function axis(values: readonly number[], from: number, to: number, count: number): Axis {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (values.length === 0) return { ticks: [], at: () => from };
  const flat = high === low ? Math.max(1, Math.abs(high)) / 2 : 0;
  const inner = linearTicks(low - flat, high + flat, count);
  const step = inner.length > 1 ? inner[1]! - inner[0]! : 1;
  const min = Math.floor((low - flat) / step + 1e-9) * step;
  const max = Math.ceil((high + flat) / step - 1e-9) * step;
  return { ticks: linearTicks(min, max, count), at: (value) => from + ((value - min) / (max - min)) * (to - from) };
}

/** From the least to the most value, which are above zero. */
function logarithmicAxis(values: readonly number[], ticks: readonly number[], from: number, to: number): Axis {
  const low = Math.log(Math.min(...values));
  const span = Math.log(Math.max(...values)) - low || 1;
  return { ticks, at: (value) => from + ((Math.log(value) - low) / span) * (to - from) };
}

function written(tick: number): string {
  return Number.isInteger(tick) ? formatCount(tick) : String(tick);
}

function color(series: number): string {
  return SERIES[series % SERIES.length]!;
}

function path(places: readonly (readonly [number, number] | undefined)[]): string {
  return places
    .map((place, i) => (place ? `${places[i - 1] ? "L" : "M"}${place[0].toFixed(1)} ${place[1].toFixed(1)}` : ""))
    .join("");
}

/** Circle, square, triangle, diamond: told apart without color. */
function mark(series: number, x: number, y: number): Markup {
  const outlines = [
    "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0",
    "m-4 -4h8v8h-8z",
    "m0 -5l5 9h-10z",
    "m0 -5.5l5 5.5l-5 5.5l-5 -5.5z",
  ];
  const outline = outlines[series % outlines.length]!;
  return markup`<path d="M${x} ${y}${outline}" fill="${color(series)}" stroke="#ffffff"/>
`;
}

function legend(series: readonly Series[], y: number): Markup[] {
  const room = (PICTURE_WIDTH - LEFT - MARGIN) / Math.max(1, series.length);
  let x = LEFT;
  return series.map(({ name, scattered }, i) => {
    const text = fitText(name, room - 44, 12);
    const entry = markup`${!scattered && line(x, y, x + 24, y, color(i), 2)}${mark(i, x + 12, y)}${label(x + 32, y + 4, text, { color: INK })}`;
    x += 32 + pixelsOf(text, 12) + 20;
    return entry;
  });
}
