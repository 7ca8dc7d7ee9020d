/** Healing as the last part of shrinking: what was dropped or shared is learned from the model as it was (train/heal.ts). */
import type { Model } from "../refrain.ts";
import type { TextFile } from "../text/read-text.ts";
import { heal } from "../train/heal.ts";
import type { HealOptions } from "../train/heal-options.ts";
import { type HealRecord, healRecord } from "../train/heal-record.ts";

export interface HealedModel {
  readonly model: Model;
  readonly record: HealRecord;
}

/**
 * `shrunk` with a LoRA adapter of rank 8 learned and folded in; it is disposed of, whatever happens. It learns from the model as
 * it was, `whole`, or where that has other tokens from the text alone. Throws what `heal` throws.
 */
export async function healShrunk(
  shrunk: Model,
  whole: Model,
  text: TextFile,
  options: Pick<HealOptions, "budget" | "note" | "signal" | "onProgress">,
): Promise<HealedModel> {
  const teacher = shrunk.config.vocabSize === whole.config.vocabSize ? {} : undefined;
  try {
    const result = await heal(shrunk, text, { ...options, teacher });
    try {
      return { model: await result.model.merged(options), record: healRecord(shrunk, text, result) };
    } finally {
      await result.model.dispose();
    }
  } finally {
    await shrunk.dispose();
  }
}
