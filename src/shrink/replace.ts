/** LLM-Streamline as a method: the run that turns the hidden state least becomes one layer, which is trained (replacement.ts). */
import { inputError } from "../errors.ts";
import { observeModel } from "../measure/observe.ts";
import { withTrainedBlock } from "../model/trained-block.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { fewest } from "./amount.ts";
import { angular } from "./angular.ts";
import { defineMethod } from "./method.ts";
import { integerOption, numberOption } from "./method-options.ts";
import { trainReplacement } from "./replacement.ts";

export const replaceMethod = defineMethod({
  name: "replace",
  description: "one layer is trained to stand for the run of layers that turns the hidden state least",
  paper: "Streamlining Redundant Layers to Compress Large Language Models (arXiv 2403.19135)",
  amounts: ["drop", "params"],
  calibration: { window: 128, windows: 512 },
  options: {
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
  },
  run: async ({ model, amount, calibration, signal, onProgress }, { updates, batch, rate, seed }) => {
    const { steps, config } = model;
    const { tokens, window, windows } = calibration!;
    if (windows < 2) {
      throw inputError(
        "text-too-short",
        `the text has one window of ${window} tokens: replace needs one to learn from and one to judge by`,
        "Give a longer --text, or a shorter --window.",
      );
    }
    const gone = fewest(amount!, config, steps, (n) => Array.from({ length: n }, (_, i) => i)).length;
    const length = gone + 1;
    const measured = await observeModel(model, tokens, { window, windows: Math.min(windows, 64), signal, onProgress });
    const first = length === steps.length ? 0 : angular.choose(measured, length)[0]!;
    requireBlocks(steps, first, length);
    const options = { first, length, updates, batch, rate, seed, signal, onProgress };
    const { values, before, after, heldOut } = await trainReplacement(model, calibration!, options);
    const like = steps[first]!.block;
    return {
      steps: [...steps.slice(0, first), { block: config.blocks, part: "block" }, ...steps.slice(first + length)],
      edit: (checkpoint) => withTrainedBlock(checkpoint, config, values, like),
      dropped: [],
      scores: measured.angular[length - 1]!,
      record: { replaced: Array.from({ length }, (_, i) => first + i), meanSquares: { before, after, heldOut } },
      notes: [
        `Layers ${first}–${first + length - 1} became one, which began as layer ${first}. The mean square of what it misses fell from ${before.toPrecision(3)} to ${after.toPrecision(3)} on ${heldOut} windows that it did not learn from.`,
      ],
    };
  },
});

function requireBlocks(steps: Steps, first: number, length: number): void {
  const run = steps.slice(first, first + length);
  if (run.every(({ part }) => part === "block")) return;
  throw inputError(
    "replace-halves",
    `replace trains a whole block, and the run that it would stand for, "${printSteps(run)}", has halves`,
    "Replace before halves are shared or dropped.",
  );
}
