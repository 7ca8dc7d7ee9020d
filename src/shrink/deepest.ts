/**
 * Drops the deepest steps but the very last: the simpler rule of "The Unreasonable Ineffectiveness of the Deeper Layers"
 * (arXiv 2403.17887), meant to be healed afterwards. It reads no text. The baseline that every other method must beat.
 */
import { fewest } from "./amount.ts";
import { defineMethod } from "./method.ts";

export const deepest = defineMethod({
  name: "deepest",
  description: "the deepest steps but the last, unmeasured",
  paper: "The Unreasonable Ineffectiveness of the Deeper Layers (arXiv 2403.17887)",
  amounts: ["drop", "params"],
  options: {},
  async run({ model: { steps, config }, amount }) {
    const last = steps.length - 1;
    const dropped = fewest(amount!, config, steps, (n) => Array.from({ length: n }, (_, i) => last - n + i));
    return { steps: steps.filter((_, i) => !dropped.includes(i)), dropped, scores: [], notes: [] };
  },
});
