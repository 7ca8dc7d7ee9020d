/**
 * Learning rates over a run, as functions of the step: all rise in a straight line from 0 over the warm-up, and then
 *
 * - cosine (Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts): falls along half a cosine to the final rate;
 * - warm-up–stable–decay (Hu et al. 2024, arXiv 2404.06395): stays, and in the cooldown falls in a straight line to the final rate;
 * - constant: stays.
 */

export interface RateOptions {
  readonly shape: "cosine" | "warmup-stable-decay" | "constant";
  /** The highest rate. */
  readonly rate: number;
  /** Steps of the run. */
  readonly steps: number;
  /** Steps of the warm-up; the rate is highest after it. */
  readonly warmup: number;
  /** Steps of the cooldown of warm-up–stable–decay. */
  readonly cooldown: number;
  /** Share of the highest rate that the last step has. */
  readonly final: number;
}

/** The rate of a step, counted from 0. */
export type RateSchedule = (step: number) => number;

export function rateSchedule({ shape, rate, steps, warmup, cooldown, final }: RateOptions): RateSchedule {
  return (step) => {
    if (step < warmup) return (rate * (step + 1)) / (warmup + 1);
    if (shape === "constant") return rate;
    const falling = shape === "cosine" ? steps - warmup : Math.min(cooldown, steps - warmup);
    // 0 where it begins to fall, 1 at the last step.
    const way = falling <= 1 ? 1 : Math.max(0, step - (steps - falling)) / (falling - 1);
    const share = shape === "cosine" ? (1 + Math.cos(Math.PI * way)) / 2 : 1 - way;
    return rate * (final + (1 - final) * share);
  };
}
