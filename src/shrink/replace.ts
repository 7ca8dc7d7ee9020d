/** LLM-Streamline as a method: the run that turns the hidden state least becomes one layer, which is trained (replacement.ts). */
import { inputError } from "../errors.ts";
import { observeModel } from "../measure/observe.ts";
import type { Similarity } from "../measure/similarity.ts";
import type { ModelConfig } from "../model/config.ts";
import { withTrainedBlock } from "../model/trained-block.ts";
import type { Model } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import type { Step, Steps } from "../schedule/schedule.ts";
import { type Amount, checkAmount, enough, unreachable } from "./amount.ts";
import { angular } from "./angular.ts";
import { requireHeldOut } from "./held-out.ts";
import { type Calibration, defineMethod, type Shrunk } from "./method.ts";
import { defaultValues, integerOption, numberOption } from "./method-options.ts";
import { type ReplacementOptions, trainReplacement } from "./replacement.ts";

const options = {
  updates: integerOption({ hint: "N", min: 1, max: 1_000_000, default: 500, description: "steps of the optimizer" }),
  batch: integerOption({ hint: "N", min: 1, max: 4096, default: 4, description: "windows of text for each step" }),
  rate: numberOption({ hint: "R", min: 0, max: 1, default: 1e-3, description: "learning rate at the beginning" }),
  seed: integerOption({
    hint: "N",
    min: 0,
    max: 2 ** 32 - 1,
    default: 0,
    description: "decides the order of the text",
  }),
};

/** How the layer is trained where nobody says otherwise. */
export const usualTraining = defaultValues(options);

export const replaceMethod = defineMethod({
  name: "replace",
  description: "one layer is trained to stand for the run of layers that turns the hidden state least",
  paper: "Streamlining Redundant Layers to Compress Large Language Models (arXiv 2403.19135)",
  amounts: ["drop", "params"],
  calibration: { window: 128, windows: 512 },
  options,
  run: async ({ model, amount, calibration, journal, signal, onProgress }, training) => {
    const { steps, config } = model;
    const { tokens, window, windows } = calibration!;
    requireHeldOut(calibration!, "replace");
    checkAmount(amount!, config, steps);
    const measured = await observeModel(model, tokens, { window, windows: Math.min(windows, 64), signal, onProgress });
    const run = chooseRun(amount!, config, steps, measured);
    requireBlocks(steps, run);
    const shrunk = await replaceRun(model, calibration!, run, { ...training, journal, signal, onProgress });
    return { ...shrunk, scores: measured.angular[run.length - 1]! };
  },
});

/** Trains the layer and puts it in the place of `run`, whose steps must be whole blocks. */
export async function replaceRun(
  model: Model,
  calibration: Calibration,
  { first, length, left }: Run,
  training: Omit<ReplacementOptions, "first" | "length">,
): Promise<Omit<Shrunk, "scores">> {
  const { steps, config } = model;
  const { values, before, after, heldOut } = await trainReplacement(model, calibration, { first, length, ...training });
  const like = steps[first]!.block;
  return {
    steps: left,
    edit: (checkpoint) => withTrainedBlock(checkpoint, config, values, like),
    dropped: [],
    record: { replaced: Array.from({ length }, (_, i) => first + i), meanSquares: { before, after, heldOut } },
    notes: [
      `Layers ${first}–${first + length - 1} became one, which began as layer ${first}. The mean square of what it misses fell from ${before.toPrecision(3)} to ${after.toPrecision(3)} on ${heldOut} windows that it did not learn from.`,
    ],
  };
}

/** Steps that one layer is to stand for, and the schedule with the new block, number config.blocks, in their place. */
export interface Run {
  readonly first: number;
  readonly length: number;
  readonly left: Steps;
}

/** The run that turns the hidden state least, of the fewest steps with which the model is small enough, and what is left. */
export function chooseRun(amount: Amount, config: ModelConfig, steps: Steps, measured: Similarity): Run {
  const replaced: Step = { block: config.blocks, part: "block" };
  for (let gone = amount.kind === "drop" ? amount.steps : 1; gone < steps.length; gone++) {
    const length = gone + 1;
    const first = length === steps.length ? 0 : angular.choose(measured, length)[0]!;
    const left = [...steps.slice(0, first), replaced, ...steps.slice(first + length)];
    if (enough(amount, config, steps, left)) return { first, length, left };
  }
  throw unreachable(amount);
}

function requireBlocks(steps: Steps, run: Run): void {
  if (isOfBlocks(steps, run)) return;
  throw inputError(
    "replace-halves",
    `replace trains a whole block, and the run that it would stand for, "${printSteps(replacedBy(steps, run))}", has halves`,
    "Replace before halves are shared or dropped.",
  );
}

const replacedBy = (steps: Steps, { first, length }: Run): Steps => steps.slice(first, first + length);

/** Whether the run has no halves, for which no whole block could stand. */
export const isOfBlocks = (steps: Steps, run: Run): boolean =>
  replacedBy(steps, run).every(({ part }) => part === "block");
