/** One arm of an experiment through the trainer: the same text, tokenizer, batches and rates for all arms of a seed. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { OnProgress } from "../progress.ts";
import { load } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import { identitySteps } from "../schedule/schedule.ts";
import { runMethod } from "../shrink/run-method.ts";
import { carryOut } from "../shrink/shrink.ts";
import { tieMethod } from "../shrink/tie.ts";
import { trainingConfig } from "../train/config.ts";
import { runTraining } from "../train/run.ts";
import { runFiles } from "../train/run-folder.ts";
import type { Arm } from "./experiment.ts";
import type { ArmRun } from "./run.ts";
import { LENGTH, VOCABULARY } from "./shapes.ts";

export interface ArmOptions {
  readonly text: string;
  readonly tokens: number;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Of all arms. Chosen on `gqa` and `relu` of the mobilellm experiment (docs/reproduce.md): a deep and thin arm hardly learns
 * from so few tokens with AdamW, and then claims of deep against shallow measure the optimizer.
 */
const TRAINING = { optimizer: "muon", rate: 0.012, sequences: 4, length: LENGTH } as const;
/** The same in words: results of another recipe cannot be compared. */
export const RECIPE = `Muon, rate ${TRAINING.rate} along a cosine, ${TRAINING.sequences} × ${LENGTH} tokens a step, byte pairs of ${VOCABULARY}`;
/** Held-out tokens that a loss is computed of. */
const HELD_OUT = 65_536;

/** Trains an arm, or goes on with a run that was stopped. Throws what `runTraining` throws. */
export async function trainArm(
  { arm, seed, folder }: ArmRun,
  { text, tokens, ...options }: ArmOptions,
): Promise<{ readonly loss: number; readonly seconds: number }> {
  const { vocab_size: _, ...model } = arm.model;
  const steps = Math.ceil(tokens / (TRAINING.sequences * LENGTH));
  const config = trainingConfig(
    {
      model,
      ...(arm.schedule !== undefined && { schedule: arm.schedule }),
      ...(arm.relaxed && { relaxed: arm.relaxed }),
      ...(arm.start ? { start: startOf(folder) } : { tokenizer: { bpe: VOCABULARY } }),
      data: { files: resolve(text) },
      training: {
        ...(arm.model.model_type === "albert" && { objective: "masked" }),
        ...TRAINING,
        ...{ tokens, seed, prompt: "" },
        // Judged once, at its end; a checkpoint every tenth.
        ...{ evaluateTokens: HELD_OUT, evaluateEvery: steps, saveEvery: Math.ceil(steps / 10) },
      },
    },
    `${arm.name}.json`,
  );
  const resume = existsSync(runFiles(folder).checkpoint);
  // A run that has no checkpoint yet, or whose result was not written down, begins anew.
  if (!resume) await rm(folder, { recursive: true, force: true });
  if (!resume && arm.start) await writeStart(arm, seed, folder, options);
  const { heldOutLoss, log } = await runTraining(config, { out: folder, resume, ...options });
  await rm(startOf(folder), { recursive: true, force: true });
  const seconds = log.reduce((sum, entry) => sum + ("seconds" in entry ? entry.seconds : 0), 0);
  return { loss: heldOutLoss!, seconds };
}

/** Where the model lies that a run begins with. */
const startOf = (folder: string): string => resolve(`${folder}-start`);

/** Ties what the arm begins as into its blocks. Throws what loading and saving a model throw. */
async function writeStart(
  { start, schedule, relaxed, model: { num_hidden_layers } }: Arm,
  seed: number,
  folder: string,
  { threads, signal, onProgress }: Omit<ArmOptions, "text" | "tokens">,
): Promise<void> {
  const options = { threads, signal, onProgress };
  const { from, init } = start!;
  const source = await load(join(dirname(folder), `${from}-${seed}`), { ...options, weights: "f32" });
  try {
    const to = schedule ?? printSteps(identitySteps(Number(num_hidden_layers)));
    const request = { method: tieMethod, values: { to, init, rank: relaxed?.rank ?? 0 }, ...options };
    const { shrunk } = await runMethod(source, { ...request, amount: undefined, text: undefined, weights: "f32" });
    const tied = await carryOut(source, shrunk, options);
    try {
      await tied.save(startOf(folder), { overwrite: true, ...options });
    } finally {
      await tied.dispose();
    }
  } finally {
    await source.dispose();
  }
}
