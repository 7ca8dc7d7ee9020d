/**
 * Batches for an encoder: those of a text, masked. A batch's masks follow from the seed and its number, so that a run that goes on sees
 * what it would have seen, and a text that is read again has other masks. What is held out has the same masks in every run.
 */
import { inputError } from "../errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Batch, BatchSource } from "./batches.ts";
import { type Masking, maskBatch } from "./masking.ts";

/** Seeds of what is held out begin where those of training end: 2^20 seeds of 2^32 batches. */
const HELD_OUT = 2 ** 52;

/** What a tokenizer says of masking. Throws `mask-token` where it has no mask. */
export function maskingOf(tokenizer: Tokenizer, units: "tokens" | "spans"): Masking {
  const { mask, vocabSize, special } = tokenizer;
  if (mask === undefined) throw inputError("mask-token", "the tokenizer has no mask_token");
  return { mask, vocabSize, special, units };
}

/** `seed`: an integer from 0 to 2^20 - 1. */
export function maskedBatches(source: BatchSource, length: number, masking: Masking, seed: number): BatchSource {
  return {
    batch: async (index) => masked(await source.batch(index), length, masking, seed * 2 ** 32 + (index % 2 ** 32)),
  };
}

/** The same masks whatever the run's seed is. */
export const maskedHeldOut = (batches: readonly Batch[], length: number, masking: Masking): Batch[] =>
  batches.map((batch, index) => masked(batch, length, masking, HELD_OUT + index));

/** What fills up a window that is not full is not predicted. */
function masked({ tokens, targets }: Batch, length: number, masking: Masking, seed: number): Batch {
  const out = maskBatch(tokens, length, masking, seed);
  const isText = (i: number) => i % length === 0 || targets[i - 1]! >= 0;
  return { tokens: out.tokens, targets: out.targets.map((target, i) => (isText(i) ? target : -1)) };
}
