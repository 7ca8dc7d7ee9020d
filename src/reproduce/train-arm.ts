/** One arm of an experiment through the trainer: the same text, tokenizer, batches and rates for all arms of a seed. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import type { OnProgress } from "../progress.ts";
import { trainingConfig } from "../train/config.ts";
import { runTraining } from "../train/run.ts";
import { runFiles } from "../train/run-folder.ts";
import type { ArmRun } from "./run.ts";
import { LENGTH, VOCABULARY } from "./shapes.ts";

export interface ArmOptions {
  readonly text: string;
  readonly tokens: number;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Of a batch. */
const SEQUENCES = 8;
/** Of all arms; it was not tuned for any of them. */
const RATE = 0.003;
/** Held-out tokens that a loss is computed of. */
const HELD_OUT = 65_536;

/** Trains an arm, or goes on with a run that was stopped. Throws what `runTraining` throws. */
export async function trainArm(
  { arm, seed, folder }: ArmRun,
  { text, tokens, ...options }: ArmOptions,
): Promise<{ readonly loss: number; readonly seconds: number }> {
  const { vocab_size: _, ...model } = arm.model;
  const steps = Math.ceil(tokens / (SEQUENCES * LENGTH));
  const config = trainingConfig(
    {
      model,
      ...(arm.schedule !== undefined && { schedule: arm.schedule }),
      ...(arm.relaxed && { relaxed: arm.relaxed }),
      tokenizer: { bpe: VOCABULARY },
      data: { files: resolve(text) },
      training: {
        ...(arm.model.model_type === "albert" && { objective: "masked" }),
        ...{ sequences: SEQUENCES, length: LENGTH, tokens, rate: RATE, seed, prompt: "" },
        // Judged once, at its end; a checkpoint every tenth.
        ...{ evaluateTokens: HELD_OUT, evaluateEvery: steps, saveEvery: Math.ceil(steps / 10) },
      },
    },
    `${arm.name}.json`,
  );
  const resume = existsSync(runFiles(folder).checkpoint);
  // A run that has no checkpoint yet, or whose result was not written down, begins anew.
  if (!resume) await rm(folder, { recursive: true, force: true });
  const { heldOutLoss, log } = await runTraining(config, { out: folder, resume, ...options });
  const seconds = log.reduce((sum, entry) => sum + ("seconds" in entry ? entry.seconds : 0), 0);
  return { loss: heldOutLoss!, seconds };
}
