/** Healing as the last part of shrinking: what was dropped or shared is learned from the model as it was (train/heal.ts). */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { failure, RefrainError } from "../errors.ts";
import type { Model } from "../refrain.ts";
import type { TextFile } from "../text/read-text.ts";
import { fingerprintOf, heal } from "../train/heal.ts";
import type { HealOptions } from "../train/heal-options.ts";
import { type HealRecord, healRecord } from "../train/heal-record.ts";
import { healStateFiles, removeHealState } from "../train/heal-state.ts";
import { version } from "../version.ts";

export interface HealedModel {
  readonly model: Model;
  readonly record: HealRecord;
  /** Removes what is kept of the run: to be called when the result is safe. */
  readonly forget: () => Promise<void>;
}

/**
 * `shrunk` with a LoRA adapter of rank 8 learned and folded in; it is disposed of, whatever happens. It learns from the model as
 * it was, `whole`, or where that has other tokens from the text alone. Checkpoints lie beside `out`, as `OUT.heal-1a2b3c4d.safetensors`: the
 * same healing goes on from them. Throws what `heal` throws.
 */
export async function healShrunk(
  shrunk: Model,
  whole: Model,
  text: TextFile,
  out: string,
  options: Pick<HealOptions, "budget" | "note" | "signal" | "onProgress">,
): Promise<HealedModel> {
  const teacher = shrunk.config.vocabSize === whole.config.vocabSize ? {} : undefined;
  try {
    const state = `${resolve(out)}.heal-${await digitsOf(shrunk, text, options)}`;
    const { checkpoint } = healStateFiles(state);
    const resume = existsSync(checkpoint);
    const result = await heal(shrunk, text, { ...options, teacher, state, resume }).catch(async (error: unknown) => {
      // A log is of no use without a checkpoint to go on from.
      if (!existsSync(checkpoint)) await removeHealState(state);
      throw goOnByTheSame(error, checkpoint);
    });
    try {
      const record = healRecord(shrunk, text, result);
      return { model: await result.model.merged(options), record, forget: () => removeHealState(state) };
    } finally {
      await result.model.dispose();
    }
  } finally {
    await shrunk.dispose();
  }
}

/** Of all that the result depends on, so that no healing finds the checkpoint of another. */
async function digitsOf(shrunk: Model, { sha256 }: TextFile, { budget }: Pick<HealOptions, "budget">): Promise<string> {
  const all = [version, await fingerprintOf(shrunk), shrunk.schedule, sha256, budget];
  return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 8);
}

/** `refrain shrink` has no --resume: it always goes on. */
function goOnByTheSame(error: unknown, checkpoint: string): unknown {
  if (!RefrainError.is(error) || !["interrupted", "disk-full", "not-writable"].includes(error.code)) return error;
  if (!existsSync(checkpoint)) return error;
  const help = error.code === "interrupted" || !error.help ? "" : `${error.help} `;
  return failure(error.code, error.message, `${help}Run the same command again, and it goes on there.`, error);
}
