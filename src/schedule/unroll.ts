/** What writing a model to disk needs: blocks renumbered after an edit, and the plain checkpoint without a schedule. */
import { inputError } from "../errors.ts";
import { identitySteps, PART_LETTER, type Steps } from "./schedule.ts";

/**
 * Numbers the blocks anew, in order of first appearance, so that a smaller model has blocks 0 … kept.length - 1.
 * New block i is the old block `kept[i]`.
 */
export function renumber(steps: Steps): { readonly steps: Steps; readonly kept: readonly number[] } {
  const kept = [...new Set(steps.map((step) => step.block))];
  const renamed = new Map(kept.map((block, i) => [block, i]));
  return { steps: steps.map(({ block, part }) => ({ block: renamed.get(block)!, part })), kept };
}

/** Where the weights of one block of a plain checkpoint come from: the halves may come from different blocks. */
export interface BlockSource {
  readonly attention: number;
  readonly ffn: number;
}

/**
 * The plain model that computes the same: new block i, played once, is a copy of `copies[i]`. An attention half followed
 * by a feed-forward half makes one block. Throws `schedule-unroll` where a half has no partner.
 */
export function unroll(steps: Steps): { readonly steps: Steps; readonly copies: readonly BlockSource[] } {
  const copies: BlockSource[] = [];
  for (let i = 0; i < steps.length; i++) {
    const { block, part } = steps[i]!;
    const next = steps[i + 1];
    if (part === "block") {
      copies.push({ attention: block, ffn: block });
    } else if (part === "attention" && next?.part === "ffn") {
      copies.push({ attention: block, ffn: next.block });
      i++;
    } else {
      const partner = part === "attention" ? "followed by a feed-forward half" : "preceded by an attention half";
      throw inputError(
        "schedule-unroll",
        `schedule: step ${i} (${PART_LETTER[part]}${block}) is not ${partner}, so the two cannot be written as a block`,
        "A plain checkpoint has whole blocks only. Save with the schedule instead of unrolled.",
      );
    }
  }
  return { steps: identitySteps(copies.length), copies };
}
