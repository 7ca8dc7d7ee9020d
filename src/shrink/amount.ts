/** How much of a model is to go: a number of steps, or the share of its parameters that may stay. */
import { inputError } from "../errors.ts";
import { modelCost } from "../measure/cost.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Steps } from "../schedule/schedule.ts";

export type Amount =
  /** Steps to drop. */
  | { readonly kind: "drop"; readonly steps: number }
  /** Largest share of the unique parameters that may stay, above 0 and below 1. */
  | { readonly kind: "params"; readonly share: number };

/**
 * Whether enough of `before` is gone in `after`. `unit`: how many entries of `before` make one step (2 where it is
 * written in halves).
 */
export function enough(amount: Amount, config: ModelConfig, before: Steps, after: Steps, unit = 1): boolean {
  if (amount.kind === "drop") return before.length - after.length >= amount.steps * unit;
  return parameterShare(config, before, after) <= amount.share;
}

/** Unique parameters of one schedule over those of another. */
export function parameterShare(config: ModelConfig, before: Steps, after: Steps): number {
  return modelCost(config, after).uniqueParameters / modelCost(config, before).uniqueParameters;
}

/**
 * Throws `drop-count` or `params-share` where no choice of at least one entry of `steps` is small enough. For methods
 * that drop; `unit` as above.
 */
export function checkAmount(amount: Amount, config: ModelConfig, steps: Steps, unit = 1): void {
  const entries = unit === 1 ? "steps" : "halves";
  if (amount.kind === "drop") {
    const most = Math.floor((steps.length - 1) / unit);
    if (Number.isInteger(amount.steps) && amount.steps >= 1 && amount.steps <= most) return;
    throw inputError(
      "drop-count",
      `cannot drop ${amount.steps} of the ${steps.length / unit} steps that this schedule plays`,
      most >= 1 ? `Drop a whole number of steps, from 1 to ${most}.` : "A schedule of one step has none to spare.",
    );
  }
  const least = Math.min(...steps.map((step) => parameterShare(config, steps, [step])));
  if (amount.share >= least && amount.share < 1) return;
  throw inputError(
    "params-share",
    `cannot keep ${amount.share} of the parameters by dropping ${entries}: one of them with embeddings and norms is ${least.toFixed(4)}`,
    `Give a share from ${(Math.ceil(least * 1e4) / 1e4).toFixed(4)} up to, but not including, 1.`,
  );
}

/** The positions that go where `dropped(n)` names n of them: for the smallest n that is enough. */
export function fewest(
  amount: Amount,
  config: ModelConfig,
  steps: Steps,
  dropped: (count: number) => readonly number[],
  unit = 1,
): readonly number[] {
  checkAmount(amount, config, steps, unit);
  for (let count = amount.kind === "drop" ? amount.steps * unit : 1; count < steps.length; count++) {
    const positions = dropped(count);
    const gone = new Set(positions);
    const after = steps.filter((_, i) => !gone.has(i));
    if (enough(amount, config, steps, after, unit)) return positions;
  }
  throw unreachable(amount);
}

/** About how many entries a search will drop, for the time that it takes: all are taken to be of a size. */
export function expectedDrops(amount: Amount, config: ModelConfig, steps: Steps, unit = 1): number {
  if (amount.kind === "drop") return amount.steps * unit;
  const one = parameterShare(config, steps, steps.slice(0, 1));
  const each = steps.length > 1 ? (1 - one) / (steps.length - 1) : 1;
  return Math.min(steps.length - 1, Math.ceil((1 - amount.share) / each));
}

/** For a method that has one step left, and it is not the smallest. */
export function unreachable(amount: Amount) {
  const wanted = amount.kind === "drop" ? `${amount.steps} steps less` : `${amount.share} of its parameters`;
  return inputError(
    "params-share",
    `this method cannot bring the model down to ${wanted}: the step that it keeps to the end is too large`,
    "Give a larger share.",
  );
}
