/**
 * Structured Optimal Brain Surgeon: every feed-forward loses the hidden channels that the others can best stand in for, and what
 * writes to the residual stream is solved anew (solve-layers.ts). No gradients; minutes for a model of a hundred million parameters.
 */
import { inputError } from "../errors.ts";
import { refuseEncoder } from "../model/session.ts";
import { withTrainedWeights } from "../model/trained-block.ts";
import { type Kept, narrow } from "../model/width.ts";
import type { Model } from "../refrain.ts";
import { formatCount, formatPercent } from "../report/format.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { requireHeldOut } from "./held-out.ts";
import { type Calibration, defineMethod, type Shrunk } from "./method.ts";
import { type SolveOptions, solveLayers } from "./solve-layers.ts";
import { widthOf } from "./taylor.ts";

export const surgeonMethod = defineMethod({
  name: "surgeon",
  description: "hidden channels that the others can stand in for; what is left is solved by least squares",
  paper: "ZipLM: Inference-Aware Structured Pruning of Language Models (arXiv 2302.04089)",
  amounts: ["params"],
  calibration: { window: 512, windows: 128 },
  options: {},
  run: async (context) => {
    const { model, calibration } = context;
    if (model.config.bidirectional) throw refuseEncoder(model.name);
    if (!areLayers(model.steps)) {
      throw inputError(
        "surgeon-shared",
        `surgeon solves each layer for its own place, and "${printSteps(model.steps)}" plays shared blocks or halves`,
        "Narrow the model before its blocks are shared, or write it --unrolled first.",
      );
    }
    requireHeldOut(calibration!, "surgeon");
    const { channels } = widthOf(context, 0);
    if (channels === model.config.ffnSize) {
      throw inputError(
        "params-share",
        "so many parameters may stay that no hidden channel has to go",
        "Give a smaller share.",
      );
    }
    return narrowed(model, calibration!, { ...context, channels });
  },
});

/** Each step plays a whole block of its own. */
export const areLayers = (steps: Steps): boolean =>
  new Set(steps.map(({ block }) => block)).size === steps.length && steps.every(({ part }) => part === "block");

export async function narrowed(model: Model, calibration: Calibration, options: SolveOptions): Promise<Shrunk> {
  const { config, steps } = model;
  const { channels } = options;
  const solved = await solveLayers(model, calibration, options);
  const heads = Array.from({ length: config.kvHeads }, (_, i) => i);
  const kept: Kept = new Map(
    solved.flatMap(({ parameter: { block, half }, kept }) =>
      half === "ffn" ? [[block!, { heads, channels: kept }] as const] : [],
    ),
  );
  const values = new Map(solved.map(({ parameter, values }) => [parameter.name, values]));
  const parameters = solved.map(({ parameter }) => parameter);
  const { missed } = solved.at(-1)!;
  return {
    steps,
    edit: (checkpoint) => narrow(withTrainedWeights(checkpoint, parameters, values), config, kept),
    dropped: [],
    scores: solved.map(({ parameter, missed }) => ({ matrix: parameter.name, missed })),
    record: { kept: [...kept].map(([block, { channels }]) => ({ block, channels: [...channels] })) },
    notes: [
      `Every block keeps ${formatCount(channels)} of ${formatCount(config.ffnSize)} hidden channels. Behind the last, the hidden state misses ${formatPercent(missed, 1)} of its square on windows that nothing was solved by.`,
    ],
  };
}
