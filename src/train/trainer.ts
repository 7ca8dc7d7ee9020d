/**
 * The training loop: batches into a learner, and between the steps losses on what is held out, samples, checkpoints, and a log. It knows
 * neither files nor which network is trained, nor what its loss means; a step's batches are known by the step's number alone, so a run
 * that begins with a learner that has taken n steps goes on as one that was never stopped.
 */
import { failure, type RefrainError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import { yieldToEvents } from "../yield.ts";
import type { Batch, BatchSource } from "./batches.ts";
import { Divergence } from "./divergence.ts";
import type { Learner } from "./learner.ts";
import type { RateSchedule } from "./rate.ts";

/** What the loop asks of a learner. */
export type Learning = Pick<Learner, "steps" | "accumulate" | "evaluate" | "update">;

/** A line of the log. Steps are counted from 1. */
export type LogEntry =
  | {
      readonly step: number;
      /** Tokens of all steps up to this. */
      readonly tokens: number;
      /** Mean loss of the step's batches, before the step, in nats. */
      readonly loss: number;
      readonly rate: number;
      readonly gradientNorm: number;
      /** That this step took, without what stands between steps. */
      readonly seconds: number;
    }
  | { readonly step: number; readonly heldOutLoss: number }
  | { readonly step: number; readonly sample: string };

/** The loss on held-out text after step `step`. */
export function lossAt(log: readonly LogEntry[], step: number): number | undefined {
  return log.flatMap((entry) => ("heldOutLoss" in entry && entry.step === step ? [entry.heldOutLoss] : [])).at(-1);
}

export interface TrainOptions {
  /** Steps of the whole run. */
  readonly steps: number;
  /** Batches of a step, whose gradients are averaged; 1. */
  readonly accumulation?: number;
  /** Step s, counted from 0, takes the batches from s · accumulation on. */
  readonly batches: BatchSource;
  readonly rate: RateSchedule;
  /** Longest gradient; without it gradients are not clipped. */
  readonly clip?: number | undefined;
  /** What a loss is computed of before the first step, every `evaluateEvery` steps and after the last. */
  readonly heldOut?: readonly Batch[] | undefined;
  readonly evaluateEvery?: number | undefined;
  /** That loss where a run goes on, if it is known: it is not computed again. */
  readonly evaluated?: number | undefined;
  /** Writes a checkpoint of the learner; called every `saveEvery` steps, after the last, and where the run is interrupted. */
  readonly save?: (() => Promise<void>) | undefined;
  readonly saveEvery?: number | undefined;
  /** What the network says now; asked every `sampleEvery` steps and after the last. */
  readonly sample?: (() => Promise<string>) | undefined;
  readonly sampleEvery?: number | undefined;
  readonly log?: ((entry: LogEntry) => Promise<void> | void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface Trained {
  /** Steps that this call took. */
  readonly steps: number;
  readonly tokens: number;
  /** Of the steps alone. */
  readonly tokensPerSecond: number;
  /** Of the last step; undefined where none was taken. */
  readonly loss: number | undefined;
  readonly heldOutLoss: number | undefined;
}

/**
 * Trains until the learner has taken `steps` steps. Throws `diverged` where the loss does (the learner is then past saving, a checkpoint
 * is not) and `interrupted` where `signal` was aborted, after a checkpoint; and what the hooks throw.
 */
export async function train(learner: Learning, options: TrainOptions): Promise<Trained> {
  const { steps, accumulation = 1, batches, signal, onProgress } = options;
  const began = learner.steps;
  const divergence = new Divergence();
  let saved = began > 0 ? began : undefined;
  let [tokens, seconds] = [0, 0];
  let loss: number | undefined;
  let heldOutLoss = options.evaluated;

  const save = async () => {
    if (options.save === undefined || saved === learner.steps) return;
    await options.save();
    saved = learner.steps;
  };
  const evaluate = async () => {
    if (options.heldOut === undefined) return;
    heldOutLoss = await evaluateBatches(learner, options.heldOut, options);
    if (!signal?.aborted) await options.log?.({ step: learner.steps, heldOutLoss });
  };
  const isDue = (every: number | undefined) =>
    learner.steps === steps || (every !== undefined && learner.steps % every === 0);

  // A run that was stopped in an evaluation goes on with it, also behind its last step.
  if (heldOutLoss === undefined && (began === 0 || isDue(options.evaluateEvery))) await evaluate();
  let ahead = batches.batch(began * accumulation);
  while (learner.steps < steps) {
    const step = learner.steps;
    const started = performance.now();
    let sum = 0;
    let read = 0;
    for (let i = 0; i < accumulation && !signal?.aborted; i++) {
      const batch = await ahead;
      // Read while this one is computed.
      ahead = batches.batch(step * accumulation + i + 1);
      // An aborted run must not end in an unhandled rejection of a batch that nobody waits for.
      ahead.catch(() => {});
      sum += learner.accumulate(batch.tokens, batch.targets, 1 / accumulation);
      read += batch.tokens.length;
      await yieldToEvents();
    }
    if (signal?.aborted) {
      // Gradients of half a step are lost; the step is taken again.
      await save();
      throw interrupted(learner.steps, steps, options.save !== undefined);
    }
    loss = sum / accumulation;
    const problem = divergence.see(loss);
    if (problem !== undefined) throw diverged(step + 1, problem, saved);
    const rate = options.rate(step);
    const { gradientNorm } = takeStep(learner, { rate, clip: options.clip }, saved);
    const took = (performance.now() - started) / 1000;
    tokens += read;
    seconds += took;
    const all = learner.steps * read;
    await options.log?.({ step: learner.steps, tokens: all, loss, rate, gradientNorm, seconds: took });
    if (isDue(options.evaluateEvery)) await evaluate();
    const held = heldOutLoss === undefined ? "" : `, held out ${heldOutLoss.toFixed(3)}`;
    onProgress?.({
      label: "training",
      done: all,
      total: steps * read,
      unit: "tokens",
      detail: `step ${learner.steps}, loss ${loss.toFixed(3)}${held}`,
    });
    if (options.sample && isDue(options.sampleEvery) && !signal?.aborted) {
      await options.log?.({ step: learner.steps, sample: await options.sample() });
    }
    if (isDue(options.saveEvery)) await save();
  }
  await save();
  // A last evaluation that was broken off is no result.
  if (signal?.aborted) throw interrupted(steps, steps, options.save !== undefined);
  const taken = learner.steps - began;
  return { steps: taken, tokens, tokensPerSecond: taken === 0 ? 0 : tokens / seconds, loss, heldOutLoss };
}

/** Mean loss over all rows that have a target, forward only. An aborted signal ends it early. */
export async function evaluateBatches(
  learner: Pick<Learner, "evaluate">,
  batches: readonly Batch[],
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<number> {
  let [sum, rows] = [0, 0];
  for (const { tokens, targets } of batches) {
    if (signal?.aborted) break;
    const counted = targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0);
    sum += learner.evaluate(tokens, targets) * counted;
    rows += counted;
    await yieldToEvents();
  }
  return sum / rows;
}

function takeStep(
  learner: Learning,
  { rate, clip }: { rate: number; clip: number | undefined },
  saved: number | undefined,
) {
  const step = learner.steps + 1;
  try {
    return learner.update(clip === undefined ? { rate } : { rate, clip });
  } catch (error) {
    if ((error as { code?: unknown }).code !== "diverged") throw error;
    throw diverged(step, "the gradients are not finite numbers", saved);
  }
}

function diverged(step: number, problem: string, saved: number | undefined): RefrainError {
  const last =
    saved === undefined ? "There is no checkpoint yet." : `The checkpoint of step ${saved} is the last good one.`;
  return failure(
    "diverged",
    `the training diverged at step ${step}: ${problem}. ${last}`,
    "Begin again with a lower training.rate, a longer training.warmup, or a training.clip of 1.",
  );
}

function interrupted(step: number, steps: number, isSaved: boolean): RefrainError {
  return failure(
    "interrupted",
    `Interrupted after step ${step} of ${steps}${isSaved ? ", which is saved" : ""}`,
    isSaved ? "The same command with --resume goes on from there." : undefined,
  );
}
