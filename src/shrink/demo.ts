/**
 * The main job on one model: measure, drop the run of steps that matters least, share what remains, and profile all
 * three. Nothing is trained in between, and the figures show it.
 */
import { observeModel } from "../measure/observe.ts";
import { type Profile, profile } from "../measure/profile.ts";
import type { Similarity } from "../measure/similarity.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import { shareEvery } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { angular } from "./angular.ts";
import { choose } from "./shrink.ts";

export interface DemoOptions {
  /** Steps to drop; by default a fifth of them. */
  readonly drop?: number | undefined;
  readonly prompt: string;
  readonly window: number;
  /** Windows for the measurement; the text behind them is what perplexity is measured on. */
  readonly windows: number;
  /** Tokens for perplexity. */
  readonly evaluate: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface DemoResult {
  readonly similarity: Similarity;
  /** Steps of the model's own schedule that were dropped. */
  readonly dropped: readonly number[];
  /** Before, after dropping, after sharing. */
  readonly variants: readonly { readonly name: string; readonly steps: Steps; readonly profile: Profile }[];
  /** Tokens of the held-out text. */
  readonly evaluated: number;
}

/** How many tokens of a text `demo` needs. */
export const demoTokens = ({ window, windows, evaluate }: DemoOptions): number => window * windows + evaluate;

export async function demo(model: Model, tokens: readonly number[], options: DemoOptions): Promise<DemoResult> {
  const { window, windows, prompt, signal, onProgress } = options;
  const drop = options.drop ?? Math.max(1, Math.round(model.steps.length / 5));
  const similarity = await observeModel(model, tokens, { window, windows, signal, onProgress });
  const chosen = choose(model.steps, angular, similarity, drop);
  const heldOut = tokens.slice(similarity.tokens);
  const schedules = [
    { name: "before", steps: model.steps },
    { name: `${drop} dropped`, steps: chosen.steps },
    { name: `${drop} dropped, the middle shared`, steps: shareMiddle(chosen.steps) },
  ];
  const variants: { name: string; steps: Steps; profile: Profile }[] = [];
  for (const { name, steps } of schedules) {
    const variant = model.withSchedule(printSteps(steps));
    try {
      const measured = await profile(variant, { tokens: heldOut, window: 2 * window, prompt, signal, onProgress });
      variants.push({ name, steps, profile: measured });
    } finally {
      await variant.dispose();
    }
  }
  return { similarity, dropped: chosen.dropped, variants, evaluated: heldOut.length };
}

/**
 * The middle half in pairs that play one block twice in a row; the first and the last quarter stay as they are, since
 * they do what no neighbour does.
 */
export function shareMiddle(steps: Steps): Steps {
  const quarter = Math.max(1, Math.floor(steps.length / 4));
  if (steps.length < 4) return shareEvery(steps, 2);
  const middle = steps.slice(quarter, steps.length - quarter);
  return [...steps.slice(0, quarter), ...shareEvery(middle, 2), ...steps.slice(steps.length - quarter)];
}
