/**
 * Shrinking, from the choice to a folder that is known to work: the written model is opened again and played before
 * anyone says that it succeeded. Which steps go is a method's choice (methods.ts); this file carries it out.
 */
import { failure } from "../errors.ts";
import type { Similarity } from "../measure/similarity.ts";
import type { OnProgress } from "../progress.ts";
import { load, type Model } from "../refrain.ts";
import { dropSteps } from "../schedule/edits.ts";
import type { Steps } from "../schedule/schedule.ts";
import type { Method } from "./method.ts";

/** What was done, as `shrink.json` beside the weights has it. */
export interface ShrinkRecord {
  readonly source: string;
  /** The schedule before and after, in the source's block numbers. */
  readonly before: string;
  readonly after: string;
  /** The steps of `before` that are gone, 0-based; empty where the schedule was given by hand. */
  readonly dropped: readonly number[];
  readonly method?: {
    readonly name: string;
    readonly paper: string;
    readonly text: {
      readonly name: string;
      readonly sha256: string;
      readonly tokens: number;
      readonly windows: number;
    };
    /** What the method went by: Block Influence of every step, or the distance of every run of that length. */
    readonly scores: readonly number[];
  };
  readonly unrolled: boolean;
  readonly refrain: string;
}

export interface Choice {
  readonly steps: Steps;
  readonly dropped: readonly number[];
}

/** The steps of `steps` that remain when `method` drops `drop` of them. */
export function choose(steps: Steps, method: Method, similarity: Similarity, drop: number): Choice {
  const dropped = method.choose(similarity, drop);
  return { steps: dropSteps(steps, dropped), dropped };
}

export interface WriteOptions {
  readonly unrolled: boolean;
  readonly overwrite: boolean;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** What the check of a written model found. */
export interface Verification {
  /** Largest difference of a logit between the model in memory and the one that was written. */
  readonly worstLogit: number;
  readonly tokens: number;
}

/**
 * Writes `model` to `folder` with its record, opens it again, and plays both on a few tokens. Throws `verify` where the
 * written model does not play, or does not play the same: the folder is left for inspection and the message says so.
 */
export async function writeAndVerify(
  model: Model,
  folder: string,
  record: ShrinkRecord,
  { unrolled, overwrite, threads, signal, onProgress }: WriteOptions,
): Promise<Verification> {
  const extraFiles = { "shrink.json": `${JSON.stringify(record, null, 2)}\n` };
  await model.save(folder, { unrolled, overwrite, extraFiles, signal, onProgress });
  const written = await load(folder, { threads, signal, onProgress });
  try {
    const count = Math.min(16, model.config.contextLength);
    const tokens = Array.from({ length: count }, (_, i) => (i * 37 + 1) % model.config.vocabSize);
    const expected = await lastLogits(model, tokens);
    const actual = await lastLogits(written, tokens);
    const worstLogit = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
    if (!actual.every(Number.isFinite) || !(worstLogit <= tolerance(expected))) {
      throw failure(
        "verify",
        `${folder} was written but does not play as the model in memory does: logits differ by ${worstLogit}`,
        "This is a bug in Refrain; the folder was left in place. Please report it with the model's name.",
      );
    }
    return { worstLogit, tokens: count };
  } finally {
    await written.dispose();
  }
}

async function lastLogits(model: Model, tokens: readonly number[]): Promise<Float32Array> {
  const session = model.session({ contextLength: tokens.length });
  try {
    return (await session.feed(tokens)).slice();
  } finally {
    session.dispose();
  }
}

/**
 * The two may keep weights in different types (a quantized file is written as F16, and memory may hold q4), so they
 * agree in kind, not to the bit: within one standard deviation of the logits.
 */
function tolerance(logits: Float32Array): number {
  const mean = logits.reduce((sum, v) => sum + v, 0) / logits.length;
  const variance = logits.reduce((sum, v) => sum + (v - mean) ** 2, 0) / logits.length;
  return Math.sqrt(variance);
}
