/**
 * Schedules drawn as strips under each other: one cell for each step that is played, with the number of its block
 * inside and the block's color behind it, so that sharing is seen as color that comes again. Steps in a row that play
 * the same block are bracketed with "×2"; steps that were dropped stay in their place, hatched and struck through.
 */
import type { Steps } from "../schedule/schedule.ts";
import { PART_LETTER } from "../schedule/schedule.ts";
import { ACCENT, FAINT, INK, paleViridis } from "./color.ts";
import { formatRanges } from "./format.ts";
import { type Markup, markup } from "./markup.ts";
import { CONTENT_TOP, label, line, MARGIN, PICTURE_WIDTH, picture } from "./svg.ts";
import { fitText, pixelsOf } from "./text-width.ts";

export interface Strip {
  /** E.g. "before"; stands above the strip. */
  readonly name: string;
  /** The notation, e.g. "each(0-14)x2". */
  readonly schedule: string;
  readonly steps: Steps;
  /** Indices into `steps` that are not played any more, ascending. */
  readonly dropped?: readonly number[];
}

export interface Strips {
  readonly title: string;
  readonly strips: readonly Strip[];
}

const ROOM = PICTURE_WIDTH - 2 * MARGIN;
const MOST_CELLS_IN_A_ROW = 40;
const WIDEST_CELL = 44;
const CELL_HEIGHT = 30;
const HEADING = 26;
const BRACKET = 24;
const GAP = 18;

/** An SVG file, 1000 pixels wide. */
export function strips({ title, strips: all }: Strips): string {
  const perRow = Math.max(...all.map(({ steps }) => evenRows(steps.length)));
  const cell = Math.min(WIDEST_CELL, ROOM / perRow);
  const lastBlock = Math.max(1, ...all.flatMap(({ steps }) => steps.map(({ block }) => block)));
  const drawn: Markup[] = [];
  let y = CONTENT_TOP;
  for (const strip of all) {
    drawn.push(heading(strip, y + 14));
    y += HEADING;
    for (const row of rowsOf(strip, perRow)) {
      drawn.push(...cells(strip, row, y, cell, lastBlock), ...brackets(row, y + CELL_HEIGHT, cell));
      y += CELL_HEIGHT + (row.runs.length > 0 ? BRACKET : 6);
    }
    y += GAP;
  }
  return picture(
    {
      height: y + 4,
      title,
      subtitle: "One cell is one layer that is played, with the number of the block whose weights it plays",
      description: all.map(describe).join(" "),
    },
    drawn,
  );
}

/** Cells in a row, so that a long strip breaks into rows of about the same length; even, to keep pairs together. */
function evenRows(steps: number): number {
  const perRow = Math.ceil(steps / Math.ceil(steps / MOST_CELLS_IN_A_ROW));
  return perRow === steps ? perRow : perRow + (perRow % 2);
}

interface StripRow {
  readonly first: number;
  readonly end: number;
  /** Runs of steps that play the same thing, [first, end), cut at the ends of the row; `times` is the whole run's. */
  readonly runs: readonly { readonly first: number; readonly end: number; readonly times: number }[];
}

function rowsOf({ steps, dropped = [] }: Strip, perRow: number): StripRow[] {
  const repeats = repeatsOf(steps, dropped);
  return Array.from({ length: Math.ceil(steps.length / perRow) }, (_, i) => {
    const first = i * perRow;
    const end = Math.min(steps.length, first + perRow);
    const runs = repeats
      .filter((run) => run.first < end && run.end > first)
      .map((run) => ({ ...run, first: Math.max(run.first, first), end: Math.min(run.end, end) }));
    return { first, end, runs };
  });
}

function repeatsOf(steps: Steps, dropped: readonly number[]): StripRow["runs"] {
  const runs: { first: number; end: number; times: number }[] = [];
  for (let first = 0, end = 1; first < steps.length; first = end++) {
    const { block, part } = steps[first]!;
    while (end < steps.length && steps[end]!.block === block && steps[end]!.part === part) end++;
    const kept = Array.from({ length: end - first }, (_, i) => first + i).filter((step) => !dropped.includes(step));
    if (end - first > 1 && kept.length > 1) runs.push({ first, end, times: kept.length });
  }
  return runs;
}

function heading({ name, schedule, steps, dropped = [] }: Strip, y: number): Markup {
  const played = steps.length - dropped.length;
  const blocks = new Set(steps.filter((_, step) => !dropped.includes(step)).map(({ block }) => block)).size;
  const gone = dropped.length > 0 ? `, ${dropped.length} dropped` : "";
  const title = fitText(name, ROOM / 3, 13, true);
  const count = `${played} ${played === 1 ? "layer" : "layers"} from ${blocks} ${blocks === 1 ? "block" : "blocks"}${gone}`;
  const left = MARGIN + pixelsOf(title, 13, true) + 12;
  const room = PICTURE_WIDTH - MARGIN - left - pixelsOf(count, 12) - 16;
  return markup`${label(MARGIN, y, title, { size: 13, bold: true })}${label(left, y, fitText(schedule, room, 12))}${label(
    PICTURE_WIDTH - MARGIN,
    y,
    count,
    { color: FAINT, anchor: "end" },
  )}`;
}

function cells(strip: Strip, row: StripRow, y: number, width: number, lastBlock: number): Markup[] {
  const { steps, dropped = [] } = strip;
  return steps.slice(row.first, row.end).map(({ block, part }, i) => {
    const step = row.first + i;
    const gone = dropped.includes(step);
    const x = MARGIN + i * width;
    const text = `${PART_LETTER[part]}${block}`;
    const size = Math.min(13, (13 * (width - 3)) / pixelsOf(text, 13));
    // A half of a block is half as high: attention above, feed-forward below.
    const height = part === "block" ? CELL_HEIGHT : CELL_HEIGHT / 2;
    const top = part === "ffn" ? y + CELL_HEIGHT / 2 : y;
    return markup`<rect x="${x + 0.5}" y="${top + 0.5}" width="${width - 1}" height="${height - 1}" fill="${
      gone ? "url(#hatch)" : paleViridis(block / lastBlock)
    }" stroke="${gone ? ACCENT : FAINT}" stroke-width="0.8"><title>layer ${step} plays ${text}${gone && " (dropped)"}</title></rect>
${label(x + width / 2, top + height / 2 + size * 0.36, text, { size, anchor: "middle", color: gone ? FAINT : INK })}${
  gone && line(x + 2, top + height / 2, x + width - 2, top + height / 2, ACCENT, 1.4)
}`;
  });
}

function brackets(row: StripRow, y: number, width: number): Markup[] {
  return row.runs.map(({ first, end, times }) => {
    const from = MARGIN + (first - row.first) * width + 2.5;
    const to = MARGIN + (end - row.first) * width - 2.5;
    return markup`<path d="M${from} ${y + 3}v4H${to}v-4" fill="none" stroke="${FAINT}"/>
${label((from + to) / 2, y + 19, `×${times}`, { size: 11, anchor: "middle", color: FAINT })}`;
  });
}

function describe({ name, schedule, steps, dropped = [] }: Strip): string {
  const gone = dropped.length > 0 ? `, without layers ${formatRanges(dropped)}` : "";
  return `${name}: ${schedule}, ${steps.length - dropped.length} layers${gone}.`;
}
