/**
 * Drops the run of n steps that turns the hidden state least ("The Unreasonable Ineffectiveness of the Deeper Layers",
 * arXiv 2403.17887, section 3.2): l* = argmin over l of the angular distance between what step l reads and what step
 * l + n reads; the steps l* … l*+n-1 go.
 *
 * Every run is scored, also the one that begins with step 0 and the one that ends with the last step: the formula does
 * not exclude them, and with hidden states from before the final norm the last step's large turn speaks for itself.
 * (Keeping the last layer by decree belongs to the paper's simpler rule, which drops the deepest layers unmeasured.)
 * Runs that score the same: the deepest goes, as the paper finds deeper layers to matter less.
 */
import { checkDrop, type Rule } from "./rule.ts";

export const angular: Rule = {
  name: "angular",
  description: "the run of consecutive steps that turns the hidden state least",
  paper: "The Unreasonable Ineffectiveness of the Deeper Layers (arXiv 2403.17887)",
  choose({ steps, angular: distances }, drop) {
    checkDrop(steps, drop);
    return run(leastStart(distances[drop - 1]!), drop);
  },
  scores: ({ angular: distances }, drop) => distances[drop - 1]!,
  rival({ angular: distances, standardErrors }, drop) {
    const row = distances[drop - 1]!;
    const errors = standardErrors?.angular[drop - 1];
    if (!errors) return undefined;
    const best = leastStart(row);
    // A run that is moved by a step or two is nearly the same choice.
    const apart = Array.from(row.keys()).filter((start) => 2 * Math.abs(start - best) > drop);
    if (apart.length === 0) return undefined;
    const second = apart.reduce((least, start) => (row[start]! < row[least]! ? start : least));
    return row[second]! - row[best]! <= Math.hypot(errors[second]!, errors[best]!) ? run(second, drop) : undefined;
  },
};

const run = (start: number, length: number): number[] => Array.from({ length }, (_, i) => start + i);

/** Where the least of a row of distances stands; of equals, the deepest. */
export function leastStart(row: readonly number[]): number {
  return row.reduce((best, distance, l) => (distance <= row[best]! ? l : best), 0);
}
