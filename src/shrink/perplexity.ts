/**
 * Drops what the calibration text misses least, measured by playing the model without it.
 *
 * - Greedy, whole steps: SLEB (arXiv 2402.09025). Each round drops the step whose absence leaves the least loss, given what
 *   is gone already. Every step is a candidate, also the first and the last.
 * - `--one-shot`: Shortened LLaMA (arXiv 2402.02834). One round; steps go in the order of its losses.
 * - `--halves`: BlockPruner (arXiv 2406.10594). The attention and the feed-forward half of a step are candidates each for
 *   itself; the schedule says which half is left (`a3`, `f3`).
 *
 * The loss is the mean cross-entropy of the next token, the logarithm of perplexity, so both rank alike.
 */
import { dropSteps, halves as inHalves, joinHalves } from "../schedule/edits.ts";
import type { Steps } from "../schedule/schedule.ts";
import { checkAmount, enough, expectedDrops, fewest, unreachable } from "./amount.ts";
import { defineMethod, type Json, type MethodContext, type Shrunk } from "./method.ts";
import { flagOption } from "./method-options.ts";
import { type Round, searchRemovals } from "./removal-search.ts";

export const perplexity = defineMethod({
  name: "perplexity",
  description: "greedily what the text misses least, measured by playing without it",
  paper:
    "SLEB (arXiv 2402.09025); --one-shot: Shortened LLaMA (arXiv 2402.02834); --halves: BlockPruner (arXiv 2406.10594)",
  amounts: ["drop", "params"],
  calibration: { window: 128, windows: 16 },
  options: {
    halves: flagOption("attention and feed-forward halves are dropped each for itself; --drop N then drops 2N of them"),
    "one-shot": flagOption("measure once and drop in that order, instead of anew after each removal"),
  },
  async run(context, { halves, "one-shot": oneShot }) {
    const unit = halves ? 2 : 1;
    const { model } = context;
    const entries = halves ? inHalves(model.steps) : model.steps;
    checkAmount(context.amount!, model.config, entries, unit);
    const rounds = await search(context, entries, unit, oneShot);
    const dropped = oneShot
      ? fewest(context.amount!, model.config, entries, (n) => ranked(rounds[0]!).slice(0, n), unit)
      : rounds.map((round) => round.dropped);
    const left = dropSteps(entries, dropped);
    if (!enough(context.amount!, model.config, entries, left, unit)) throw unreachable(context.amount!);
    return {
      steps: halves ? joinHalves(left) : left,
      dropped: [...dropped].sort((a, b) => a - b),
      halves,
      scores: rounds as unknown as Json,
      record: { order: dropped },
      notes: [],
    } satisfies Shrunk;
  },
});

async function search(
  { model, amount, calibration, journal, signal, onProgress }: MethodContext,
  entries: Steps,
  unit: number,
  oneShot: boolean,
): Promise<readonly Round[]> {
  const player = model.stepwise(calibration!.window);
  const isEnough = (left: Steps) => enough(amount!, model.config, entries, left, unit);
  return searchRemovals(player, model.config, entries, {
    calibration: calibration!,
    journal,
    enough: oneShot ? (left) => left.length < entries.length : isEnough,
    rounds: oneShot ? 1 : expectedDrops(amount!, model.config, entries, unit),
    signal,
    onProgress,
  });
}

/** Positions, least missed first; of equals the deepest. */
function ranked({ without }: Round): number[] {
  const positions = Object.keys(without).map(Number);
  return positions.sort((a, b) => without[a]! - without[b]! || b - a);
}
