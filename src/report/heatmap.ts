/**
 * The heat map of angular distances, as "The Unreasonable Ineffectiveness of the Deeper Layers" (arXiv 2403.17887)
 * draws it, but with the distances as they are (not rescaled for each length) and with the indices to
 * delete written out: which layers a cell stands for is what people get wrong.
 *
 * x: first layer l of a run; y: its length n, shortest at the bottom; color: distance between what layer l reads
 * and what layer l + n reads. Layer means step of the played schedule, counted from 0.
 */
import { ACCENT, FAINT, INK, inkOn, viridis } from "./color.ts";
import { formatCount, formatNumber, formatRanges, runs } from "./format.ts";
import { type Markup, markup } from "./markup.ts";
import { columnWidth, PLOT_LEFT, STEP_AXIS_HEIGHT, stepAxis } from "./step-axis.ts";
import { CONTENT_TOP, label, line, MARGIN, PICTURE_WIDTH, picture } from "./svg.ts";
import { fitText } from "./text-width.ts";
import { labelEvery, linearTicks } from "./ticks.ts";

/** What a measurement was made on; the subtitle of its pictures. */
export interface Sample {
  readonly name: string;
  readonly tokens: number;
  readonly windows?: number;
}

export interface HeatMap {
  readonly model: string;
  readonly text: Sample;
  /** angular[n-1][l], as `Similarity` has it. */
  readonly angular: readonly (readonly number[])[];
  /** Steps that will be dropped, ascending. */
  readonly dropped?: readonly number[];
}

const MOST_STEPS_WITH_VALUES = 16;
const LEGEND_WIDTH = 400;

/** An SVG file, 1000 pixels wide. */
export function heatMap({ model, text, angular, dropped = [] }: HeatMap): string {
  const steps = angular.length;
  const column = columnWidth(steps);
  const row = Math.min(84, Math.max(7, 560 / steps));
  const bottom = CONTENT_TOP + steps * row;
  const scale = colorScale(angular.flat());
  const chosen = chosenBlock(dropped);
  // Small cells overlap instead: a gap of half a pixel would be most of what the eye sees.
  const gap = steps > 40 ? -0.5 : 0.5;

  const cells = angular.flatMap((distances, i) => {
    const n = i + 1;
    const y = bottom - n * row;
    const least = distances.lastIndexOf(Math.min(...distances));
    return distances.map((distance, l) => {
      const x = PLOT_LEFT + l * column;
      const share = scale.share(distance);
      return [
        markup`<rect x="${x}" y="${y}" width="${column - gap}" height="${row - gap}" fill="${viridis(share)}"><title>${layers(l, n)}: ${distance.toFixed(4)}</title></rect>
`,
        steps <= MOST_STEPS_WITH_VALUES &&
          label(x + column / 2, y + row / 2 + 4, distance.toFixed(3), { color: inkOn(share), anchor: "middle" }),
        l === least && leastMark(x, y, column, row, steps <= MOST_STEPS_WITH_VALUES),
      ];
    });
  });

  return picture(
    {
      height: bottom + STEP_AXIS_HEIGHT,
      title: `Which layers would ${model} miss least?`,
      subtitle: `${describeSample(text)} · how far a run of layers turns the hidden state of the last token`,
      description: describe(steps, angular, dropped, scale),
    },
    [
      cells,
      chosen &&
        outline(PLOT_LEFT + chosen.first * column, bottom - chosen.length * row, column - 0.5, Math.max(row - 0.5, 4)),
      lengthAxis(steps, row, bottom),
      stepAxis(steps, bottom + 4, "First layer of the run (layers are counted from 0)", dropped),
      legend(scale, steps, angular, dropped),
    ],
  );
}

/** "wiki.test.raw, 2,048 tokens in 8 windows" */
export function describeSample({ name, tokens, windows }: Sample): string {
  const cut = windows === undefined ? "" : ` in ${formatCount(windows)} ${windows === 1 ? "window" : "windows"}`;
  return `${fitText(name, 260, 13)}, ${formatCount(tokens)} tokens${cut}`;
}

interface ColorScale {
  readonly min: number;
  readonly max: number;
  /** 0…1 within the scale. */
  share(distance: number): number;
}

function colorScale(distances: readonly number[]): ColorScale {
  const low = distances.reduce((a, b) => Math.min(a, b), 1);
  const high = distances.reduce((a, b) => Math.max(a, b), 0);
  // Ends on round numbers, and never without any length.
  const min = Math.floor(low * 20) / 20;
  const max = Math.max(min + 0.05, Math.ceil(high * 20) / 20);
  return { min, max, share: (distance) => (distance - min) / (max - min) };
}

/** The cell that stands for what is dropped, if that is one run. */
function chosenBlock(dropped: readonly number[]): { first: number; length: number } | undefined {
  return runs(dropped).length === 1 ? { first: dropped[0]!, length: dropped.length } : undefined;
}

function layers(first: number, n: number): string {
  return n === 1 ? `layer ${first}` : `layers ${first}–${first + n - 1}`;
}

/** A dot in the middle, or in the corner where a value stands in the middle. */
function leastMark(x: number, y: number, column: number, row: number, corner: boolean): Markup {
  const radius = Math.max(1.6, Math.min(4, 0.2 * Math.min(column, row)));
  const [cx, cy] = corner ? [x + column - 8, y + 8] : [x + column / 2, y + row / 2];
  return dot(cx, cy, radius);
}

function dot(x: number, y: number, radius: number): Markup {
  return markup`<circle cx="${x}" cy="${y}" r="${radius}" fill="#ffffff" stroke="#000000" stroke-width="${radius < 2.5 ? 0.6 : 1}"/>
`;
}

/** White around red: one of them shows on every color. */
function outline(x: number, y: number, width: number, height: number): Markup {
  const box = (stroke: string, pixels: number) =>
    markup`<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="none" stroke="${stroke}" stroke-width="${pixels}"/>
`;
  return markup`${box("#ffffff", 5)}${box(ACCENT, 2.5)}`;
}

function lengthAxis(steps: number, row: number, bottom: number): Markup {
  const every = labelEvery(row, 16);
  const middle = bottom - (steps * row) / 2;
  const ticks: Markup[] = [];
  for (let n = every; n <= steps; n += every) {
    const y = bottom - (n - 0.5) * row;
    ticks.push(
      line(PLOT_LEFT - 8, y, PLOT_LEFT - 4, y, FAINT),
      label(PLOT_LEFT - 12, y + 4, String(n), { anchor: "end" }),
    );
  }
  return markup`${line(PLOT_LEFT - 4, bottom, PLOT_LEFT - 4, bottom - steps * row, FAINT)}${ticks}${label(
    MARGIN + 4,
    middle,
    "Number of layers in the run",
    { size: 13, anchor: "middle", upwards: true },
  )}`;
}

/** In the corner that the triangle leaves free. */
function legend(scale: ColorScale, steps: number, angular: HeatMap["angular"], dropped: readonly number[]): Markup {
  const x = PICTURE_WIDTH - MARGIN - LEGEND_WIDTH;
  const top = CONTENT_TOP + 14;
  const slices = 100;
  const bar = Array.from(
    { length: slices },
    (_, i) => markup`<rect x="${x + (i * LEGEND_WIDTH) / slices}" y="${top + 10}" width="${
      LEGEND_WIDTH / slices + (i < slices - 1 ? 0.5 : 0)
    }" height="14" fill="${viridis((i + 0.5) / slices)}"/>
`,
  );
  const ticks = linearTicks(scale.min, scale.max, 6).map((tick) => {
    const at = x + scale.share(tick) * LEGEND_WIDTH;
    return [
      line(at, top + 24, at, top + 28, FAINT),
      label(at, top + 41, String(tick), { anchor: tick === scale.max ? "end" : "middle" }),
    ];
  });
  const chosen = chosenBlock(dropped);
  const entries = [
    label(x, top, "Angular distance (0: same direction, 1: opposite)", { size: 13, bold: true }),
    bar,
    ticks,
    dot(x + 8, top + 62, 4),
    label(x + 24, top + 66, "for each length, the run that turns the state least"),
  ];
  if (chosen) {
    const distance = angular[chosen.length - 1]![chosen.first]!;
    const text = `drop ${layers(chosen.first, chosen.length)} (${chosen.length} of ${steps}): ${formatNumber(distance)}`;
    entries.push(outline(x + 1, top + 79, 14, 14), label(x + 24, top + 91, text, { bold: true, color: ACCENT }));
  } else if (dropped.length > 0) {
    const text = fitText(`drop layers ${formatRanges(dropped)}`, LEGEND_WIDTH - 24, 12, true);
    entries.push(
      markup`<rect x="${x}" y="${top + 84}" width="16" height="4" fill="${ACCENT}"/>
`,
      label(x + 24, top + 91, text, { bold: true, color: ACCENT }),
    );
  }
  return markup`<g fill="${INK}">${entries}</g>
`;
}

function describe(steps: number, angular: HeatMap["angular"], dropped: readonly number[], scale: ColorScale): string {
  const best = angular
    .slice(0, -1)
    .map((row, i) => `${i + 1}: ${layers(row.lastIndexOf(Math.min(...row)), i + 1)} (${Math.min(...row).toFixed(3)})`);
  const choice = dropped.length > 0 ? ` Dropped: ${formatRanges(dropped)}.` : "";
  return `Heat map over all runs of consecutive layers of ${steps}; colors from ${scale.min} to ${scale.max}. The least distance for each length is ${best.join(", ")}.${choice}`;
}
