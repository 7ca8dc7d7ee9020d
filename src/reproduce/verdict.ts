/** What the losses of an experiment say about its claims. Lower is better; seeds are paired. */
import type { Claim, Experiment } from "./experiment.ts";

export interface Outcome {
  readonly arm: string;
  readonly seed: number;
  /** Of the held-out text, nats a token. */
  readonly loss: number;
  readonly seconds: number;
}

export interface Spread {
  readonly mean: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

export interface Verdict {
  readonly claim: Claim;
  /** Loss of the arm that should be worse, less that of the one that should be better; of each seed that has both. */
  readonly gain: Spread | undefined;
  /**
   * `holds`: in every seed. `fails`: in none. `undecided`: the seeds disagree. With one seed nothing is known of the spread,
   * so that it only `points` towards the claim or `points away`.
   */
  readonly verdict: "holds" | "fails" | "undecided" | "points" | "points away" | "not run";
}

export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, least: Math.min(...values), most: Math.max(...values), count: values.length };
}

export function lossesOf(outcomes: readonly Outcome[], arm: string): readonly Outcome[] {
  return outcomes.filter((outcome) => outcome.arm === arm);
}

export function verdicts(experiment: Experiment, outcomes: readonly Outcome[]): readonly Verdict[] {
  return experiment.claims.map((claim) => {
    const worse = new Map(lossesOf(outcomes, claim.worse).map(({ seed, loss }) => [seed, loss]));
    const gains = lossesOf(outcomes, claim.better).flatMap(({ seed, loss }) =>
      worse.has(seed) ? [worse.get(seed)! - loss] : [],
    );
    return { claim, gain: spread(gains), verdict: judge(gains) };
  });
}

function judge(gains: readonly number[]): Verdict["verdict"] {
  if (gains.length === 0) return "not run";
  const all = gains.every((gain) => gain > 0);
  const none = gains.every((gain) => gain <= 0);
  if (gains.length === 1) return all ? "points" : "points away";
  if (all) return "holds";
  return none ? "fails" : "undecided";
}
