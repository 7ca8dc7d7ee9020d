/** What a measurement says, as text for a terminal and as pictures for a folder. */
import type { Similarity } from "../measure/similarity.ts";
import { PART_LETTER, type Steps } from "../schedule/schedule.ts";
import { leastStart } from "../shrink/angular.ts";
import { bars } from "./bars.ts";
import { formatCount, formatRanges } from "./format.ts";
import { heatMap } from "./heatmap.ts";
import { svgToPng } from "./node-png.ts";
import { textTable } from "./table.ts";

/** Longest run of steps that the table lists; the heat map has them all. */
const LISTED_RUNS = 12;

export interface MeasuredText {
  readonly name: string;
  readonly tokens: number;
  readonly windows: number;
}

/** Two tables: every step by itself, and for each length the run of steps that changes the state least. */
export function similarityText(steps: Steps, measured: Similarity): string {
  const errors = measured.standardErrors?.influence;
  const single = textTable(
    [
      { title: "step" },
      { title: "block" },
      { title: "Block Influence" },
      ...(errors ? [{ title: "± standard error" }] : []),
      { title: "cosine" },
    ],
    steps.map(({ block, part }, i) => [
      `${i}`,
      `${PART_LETTER[part]}${block}`,
      measured.influence[i]!.toFixed(4),
      ...(errors ? [errors[i]!.toFixed(4)] : []),
      measured.cosine[i]!.toFixed(4),
    ]),
  );
  const lengths = measured.angular.slice(0, Math.min(LISTED_RUNS, measured.steps - 1));
  const runs = textTable(
    [{ title: "steps in a row" }, { title: "least changed" }, { title: "angular distance" }],
    lengths.map((row, i) => {
      const start = leastStart(row);
      return [`${i + 1}`, formatRanges(range(start, i + 1)), row[start]!.toFixed(4)];
    }),
  );
  const sample = `${formatCount(measured.tokens)} tokens in ${formatCount(measured.windows)} windows`;
  return `${single}\n\n${runs}\n\nSteps are counted from 0, both ends included. ${sample}.`;
}

/** The pictures of a measurement, by file name; `dropped` is outlined in them. */
export async function similarityPictures(
  model: string,
  text: MeasuredText,
  measured: Similarity,
  dropped: readonly number[],
): Promise<Record<string, string | Uint8Array>> {
  const heat = heatMap({ model, text, angular: measured.angular, dropped });
  const errors = measured.standardErrors?.influence;
  const influence = bars({ model, text, influence: measured.influence, ...(errors && { errors }), dropped });
  return {
    "similarity.json": `${JSON.stringify({ model, text, ...measured }, null, 2)}\n`,
    "heatmap.svg": heat,
    "heatmap.png": await svgToPng(heat),
    "influence.svg": influence,
    "influence.png": await svgToPng(influence),
  };
}

const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);
