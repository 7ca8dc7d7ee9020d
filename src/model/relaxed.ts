/**
 * Relaxed recursive sharing (Bae et al. 2024, arXiv 2410.20672): blocks that are played several times, with a small difference of their
 * own at each step. Step i plays, for each linear map W of a shared block,
 *
 *   y = W x + s · Bᵢ Aᵢ x,   A: [rank, inputs], B: [outputs, rank], s = alpha / rank
 *
 * The pairs are parameters of the model: they stand in its file, are trained with its blocks, and mean something in its own
 * schedule only. What is played once has none. An adapter that is put beside a model is another thing (adapter.ts).
 */
import { inputError } from "../errors.ts";
import { printSteps } from "../schedule/print.ts";
import { hasAttention, hasFfn, type Steps, sameSteps } from "../schedule/schedule.ts";
import { type AdaptedModules, type Adapter, createAdapter } from "./adapter.ts";
import type { ModelConfig } from "./config.ts";

export interface Relaxed {
  readonly rank: number;
  /** s = alpha / rank. */
  readonly alpha: number;
  /** Which linear maps of a block differ by step. */
  readonly modules: AdaptedModules;
}

/** The pairs of a model that is relaxed, else undefined. */
export function relaxedAdapter(config: ModelConfig, steps: Steps): Adapter | undefined {
  if (config.relaxed === undefined) return undefined;
  const adapter = createAdapter(config, steps, { ...config.relaxed, name: "relaxed", perStep: true });
  const plays = (block: number | undefined, half: string | undefined) =>
    steps.filter((step) => step.block === block && (half === "attention" ? hasAttention(step) : hasFfn(step))).length;
  return { ...adapter, pairs: adapter.pairs.filter(({ weight }) => plays(weight.block, weight.half) > 1) };
}

/** Throws `relaxed-schedule` where a relaxed model, whose own steps are `own`, is to play others. */
export function refuseOtherThan(config: ModelConfig, own: Steps, steps: Steps): void {
  if (config.relaxed === undefined || sameSteps(own, steps)) return;
  throw inputError(
    "relaxed-schedule",
    `the model is relaxed: what its shared blocks differ by belongs to the steps of "${printSteps(own)}", and "${printSteps(steps)}" is to be played`,
    "Play its own schedule.",
  );
}

/** Throws `step-dependent` where something cannot be done because what a step computes is not its block's affair alone. */
export function refuseStepDependent({ relaxed, recurrence }: ModelConfig, what: string): void {
  if (relaxed === undefined && recurrence === undefined) return;
  const [why, help] = relaxed
    ? [
        "its shared blocks differ by step",
        "`refrain shrink --schedule … --unrolled`, with its own schedule, writes a model with a block for each step.",
      ]
    : ["its loop reads what stands before it", "Take a model without refrain.recurrence in its config.json."];
  throw inputError("step-dependent", `${why}, so ${what}`, help);
}
