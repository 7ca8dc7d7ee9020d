/** What a measurement says: as text for a terminal, in words, and as pictures for a folder. */
import type { Similarity } from "../measure/similarity.ts";
import { printSteps } from "../schedule/print.ts";
import { isIdentity, type Steps } from "../schedule/schedule.ts";
import { leastStart } from "../shrink/angular.ts";
import { bars } from "./bars.ts";
import { formatCount, runs } from "./format.ts";
import { heatMap } from "./heatmap.ts";
import { svgToPng } from "./node-png.ts";
import { textTable } from "./table.ts";

/** Dots of a PNG for each pixel of the SVG: 1,500 across, sharp on most screens. */
const DOTS = 1.5;

export interface MeasuredText {
  readonly name: string;
  readonly tokens: number;
  readonly windows: number;
}

/** Two tables: every step by itself, and for each length the run of steps that changes the state least. */
export function similarityText(steps: Steps, measured: Similarity): string {
  const { influence, cosine, angular, standardErrors } = measured;
  const error = (values: readonly number[] | undefined, i: number) => (values ? [`± ${values[i]!.toFixed(4)}`] : []);
  const errorColumn = standardErrors ? [{ title: "", align: "left" } as const] : [];
  const single = textTable(
    [{ title: "step" }, { title: "block" }, { title: "Block Influence" }, ...errorColumn, { title: "cosine" }],
    steps.map((step, i) => [
      `${i}`,
      printSteps([step]),
      influence[i]!.toFixed(4),
      ...error(standardErrors?.influence, i),
      cosine[i]!.toFixed(4),
    ]),
  );
  // Where every step plays the block of its number, saying so again is no news.
  const plain = isIdentity(steps, steps.length);
  const longest = angular.slice(0, measured.steps - 1).map((row, i) => {
    const start = leastStart(row);
    return [
      `${i + 1}`,
      stepNumbers(range(start, i + 1)),
      ...(plain ? [] : [printSteps(steps.slice(start, start + i + 1))]),
      row[start]!.toFixed(4),
      ...error(standardErrors?.angular[i], start),
    ];
  });
  const table = textTable(
    [
      { title: "steps in a row" },
      { title: "which turn least", align: "left" },
      ...(plain ? [] : [{ title: "playing", align: "left" } as const]),
      { title: "angular distance" },
      ...errorColumn,
    ],
    longest,
  );
  const windows = measured.windows === 1 ? "1 window" : `${formatCount(measured.windows)} windows`;
  const sure = standardErrors ? " ± is one standard error." : " One window tells nothing of the error; read more.";
  return [
    single,
    ...(longest.length > 0 ? [table] : []),
    `Steps are counted from 0, and both ends are included. ${formatCount(measured.tokens)} tokens in ${windows}.${sure}`,
  ].join("\n\n");
}

/** What was chosen, and how surely. */
export interface ChoiceToTell {
  /** Name of the rule or method. */
  readonly by: string;
  /** Positions in the schedule, ascending. */
  readonly dropped: readonly number[];
  readonly rival: readonly number[] | undefined;
}

/** Which steps go and by what; and, where the measurement cannot tell, what might as well go. */
export function choiceInWords(steps: Steps, { by, dropped, rival }: ChoiceToTell): string {
  const plain = isIdentity(steps, steps.length);
  const blocks = plain ? "" : `, which play ${printSteps(dropped.map((i) => steps[i]!))}`;
  return [
    `By ${by}: drops ${stepsInWords(dropped)} (${dropped.length} of ${steps.length}, counted from 0, both ends included)${blocks}.`,
    ...(rival
      ? [
          `The measurement cannot tell this from dropping ${stepsInWords(rival)}: the two are closer than their standard errors. Read more of the text (--windows), or compare what both cost.`,
        ]
      : []),
  ].join(" ");
}

/** "steps 13 to 18", "step 4", "steps 2, 5 to 7 and 9" */
export function stepsInWords(indices: readonly number[]): string {
  const parts = runs(indices).map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`));
  const last = parts.pop()!;
  return `${indices.length === 1 ? "step" : "steps"} ${parts.length > 0 ? `${parts.join(", ")} and ${last}` : last}`;
}

/** The pictures of a measurement, by file name; `dropped` is outlined in them. */
export async function similarityPictures(
  model: string,
  text: MeasuredText,
  measured: Similarity,
  dropped: readonly number[],
): Promise<Record<string, Uint8Array | string>> {
  const heat = heatMap({ model, text, angular: measured.angular, dropped });
  const errors = measured.standardErrors?.influence;
  const influence = bars({ model, text, influence: measured.influence, ...(errors && { errors }), dropped });
  return {
    "heatmap.svg": heat,
    "heatmap.png": await svgToPng(heat, DOTS),
    "influence.svg": influence,
    "influence.png": await svgToPng(influence, DOTS),
  };
}

const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

const stepNumbers = (indices: readonly number[]): string =>
  indices.length === 1 ? `${indices[0]}` : `${indices[0]}–${indices.at(-1)}`;
