/**
 * The three ways to assign M unique layers to N layers of Takase and Kiyono, "Lessons on Parameter Sharing across Layers
 * in Transformers" (arXiv 2104.06022). Layer i of N plays block
 *
 *     SEQUENCE      floor(i / (N / M))
 *     CYCLE         i mod M
 *     CYCLE (REV)   i mod M while i < N - M, then M - 1 - ((i - (N - M)) mod M)
 */
import { inputError } from "../errors.ts";
import { MAX_STEPS, type Steps } from "./schedule.ts";

/** `each(0-2)x2`: neighbours share. In whole numbers, i·M div N, so that N need not be a multiple of M. */
export function sequenceSharing(unique: number, total: number): Steps {
  return assign(unique, total, (i) => Math.floor((i * unique) / total));
}

/** `(0-2)x2`: the stack is played again from the start. */
export function cycleSharing(unique: number, total: number): Steps {
  return assign(unique, total, (i) => i % unique);
}

/** `0-2 2-0`: as CYCLE, but the last M layers run backwards. */
export function cycleReverseSharing(unique: number, total: number): Steps {
  const turn = total - unique;
  return assign(unique, total, (i) => (i < turn ? i % unique : unique - 1 - ((i - turn) % unique)));
}

function assign(unique: number, total: number, block: (i: number) => number): Steps {
  const whole = Number.isInteger(unique) && Number.isInteger(total);
  if (!whole || unique < 1 || total < unique || total > MAX_STEPS) {
    throw inputError(
      "schedule-edit",
      `schedule: cannot share ${unique} unique blocks among ${total} steps`,
      `Give whole numbers with 1 ≤ unique ≤ total ≤ ${MAX_STEPS}.`,
    );
  }
  return Array.from({ length: total }, (_, i) => ({ block: block(i), part: "block" }));
}
