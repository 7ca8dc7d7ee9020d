/**
 * Removes what the loss would miss least to first order (importance.ts): whole layers, or the width of every block, heads in groups
 * and hidden channels, so that its matrices are really smaller (LLM-Pruner, arXiv 2305.11627; Minitron, arXiv 2407.14679).
 */
import { inputError } from "../errors.ts";
import { modelCost } from "../measure/cost.ts";
import type { ModelConfig } from "../model/config.ts";
import { refuseEncoder } from "../model/session.ts";
import { type Kept, narrow } from "../model/width.ts";
import { dropSteps } from "../schedule/edits.ts";
import type { Steps } from "../schedule/schedule.ts";
import { checkAmount, fewest } from "./amount.ts";
import { type BlockImportance, importance, importances } from "./importance.ts";
import { defineMethod, type MethodContext, type Shrunk } from "./method.ts";
import { choiceOption, integerOption } from "./method-options.ts";

/** Hidden channels go in such numbers: quantized rows are made of blocks of 32. */
const CHANNELS = 32;

export const taylorMethod = defineMethod({
  name: "taylor",
  description: "what the loss would miss least by its gradients: whole layers, or heads and channels of all",
  paper: "LLM-Pruner: On the Structural Pruning of Large Language Models (arXiv 2305.11627)",
  amounts: ["drop", "params"],
  calibration: { window: 128, windows: 16 },
  options: {
    what: choiceOption({
      values: ["layers", "width"],
      default: "layers",
      description: "remove layers, or make the matrices of all blocks smaller (--params)",
    }),
    importance: choiceOption({
      values: importances,
      default: "weights",
      description: "sum |weight · gradient| over all weights, or take the gradient of a factor before each unit",
    }),
    "kv-heads": integerOption({
      hint: "N",
      min: 0,
      max: 4096,
      default: 0,
      description: "key/value heads that stay, with their query heads; 0: all, so that only channels go",
    }),
  },
  run: async (context, { what, importance: by, "kv-heads": kvHeads }) => {
    const { model, calibration, amount, signal, onProgress } = context;
    const { config, steps } = model;
    if (config.bidirectional) throw refuseEncoder(model.name);
    if (what === "layers") checkAmount(amount!, config, steps);
    const size = what === "width" ? widthOf(context, kvHeads) : undefined;
    const found = await importance(model, calibration!, { by, signal, onProgress });
    return size ? narrower(config, steps, found, size) : shallower(context, found);
  },
});

/** The steps with the least important blocks go; of steps that play one block, the deepest first. */
export function shallower(
  { model: { config, steps }, amount }: Pick<MethodContext, "model" | "amount">,
  found: readonly BlockImportance[],
): Shrunk {
  const scores = steps.map(({ block }) => found.find((each) => each.block === block)!.whole);
  const order = [...scores.keys()].sort((a, b) => scores[a]! - scores[b]! || b - a);
  const dropped = fewest(amount!, config, steps, (n) => order.slice(0, n).sort((a, b) => a - b));
  return { steps: dropSteps(steps, dropped), dropped, scores, notes: [] };
}

interface Width {
  readonly kvHeads: number;
  readonly channels: number;
}

/** Numbers of hidden channels that may stay, from all of them down. */
export function channelCounts(all: number): number[] {
  const fewer = Array.from({ length: Math.ceil(all / CHANNELS) - 1 }, (_, i) => CHANNELS * (i + 1));
  return [all, ...fewer.reverse()];
}

/** Each block keeps its own most important heads and channels. */
export function narrower(
  config: ModelConfig,
  steps: Steps,
  found: readonly BlockImportance[],
  { kvHeads, channels }: Width,
): Shrunk {
  const kept: Kept = new Map(
    found.map((each) => [each.block, { heads: best(each.heads, kvHeads), channels: best(each.channels, channels) }]),
  );
  const heads = `${(config.heads / config.kvHeads) * kvHeads} of ${config.heads} heads`;
  return {
    steps,
    edit: (checkpoint) => narrow(checkpoint, config, kept),
    dropped: [],
    scores: found.map(({ block, heads, channels }) => ({ block, heads: [...heads], channels: [...channels] })),
    record: { kept: [...kept].map(([block, units]) => ({ block, ...units })) },
    notes: [`Every block keeps ${heads} and ${channels} of ${config.ffnSize} hidden channels.`],
  };
}

/** The `count` largest, ascending; of equals the first. */
function best(scores: Float64Array, count: number): number[] {
  const order = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b);
  return order.slice(0, count).sort((a, b) => a - b);
}

/** The most hidden channels with which the model is small enough. Throws `option-conflict`, `width` and `params-share`. */
export function widthOf({ model: { config, steps }, amount }: MethodContext, wanted: number): Width {
  if (amount?.kind !== "params") {
    throw inputError("option-conflict", "--what width goes with --params, not with --drop", "Say e.g. --params 0.8.");
  }
  if (wanted > config.kvHeads || (config.modelType === "gpt2" && wanted !== 0)) {
    throw inputError("width", `cannot keep ${wanted} of ${config.kvHeads} key/value heads`, "Leave --kv-heads out.");
  }
  const kvHeads = wanted === 0 ? config.kvHeads : wanted;
  const heads = kvHeads * (config.heads / config.kvHeads);
  const before = modelCost(config, steps).uniqueParameters;
  const share = (ffnSize: number) => modelCost({ ...config, heads, kvHeads, ffnSize }, steps).uniqueParameters / before;
  const counts = channelCounts(config.ffnSize);
  const channels = counts.find((count) => share(count) <= amount.share);
  if (channels !== undefined) return { kvHeads, channels };
  throw inputError(
    "params-share",
    `${amount.share} of the parameters is less than what narrower blocks can reach: ${share(counts.at(-1)!).toFixed(4)} with ${kvHeads} key/value heads`,
    "Give a larger share; `--by taylor --what width --kv-heads N` takes heads out, too.",
  );
}
