/**
 * The main job on one model: measure, drop the run of steps that matters least, share the pairs of steps that are
 * nearest to doing nothing, and profile all three. Nothing is trained in between, and the figures show it.
 */
import { inputError } from "../errors.ts";
import { observeModel } from "../measure/observe.ts";
import { type Profile, profile } from "../measure/profile.ts";
import type { Similarity } from "../measure/similarity.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { angular } from "./angular.ts";
import { checkDrop } from "./method.ts";
import { choose } from "./shrink.ts";

export interface DemoOptions {
  /** Steps to drop, and pairs of steps to share; by default a tenth of the steps. */
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
  /** Before, after dropping, and after sharing as well, where two neighbours are left to share. */
  readonly variants: readonly { readonly name: string; readonly steps: Steps; readonly profile: Profile }[];
  /** Tokens of the held-out text. */
  readonly evaluated: number;
}

/** How many tokens of a text `demo` needs. */
export const demoTokens = ({ window, windows, evaluate }: DemoOptions): number => window * windows + evaluate;

/** Throws `drop-count`, and `text-too-short` where nothing is left to measure perplexity on. */
export async function demo(model: Model, tokens: readonly number[], options: DemoOptions): Promise<DemoResult> {
  const { window, windows, prompt, signal, onProgress } = options;
  const drop = options.drop ?? Math.max(1, Math.round(model.steps.length / 10));
  checkDrop(model.steps.length, drop);
  const similarity = await observeModel(model, tokens, { window, windows, signal, onProgress });
  const chosen = choose(model.steps, angular, similarity, drop);
  const heldOut = tokens.slice(similarity.tokens);
  if (heldOut.length < window) {
    throw inputError(
      "text-too-short",
      `the text has ${tokens.length} tokens: ${similarity.tokens} were measured on, and ${heldOut.length} are left for perplexity`,
      `Give a text of at least ${2 * window} tokens, better ${demoTokens(options)}.`,
    );
  }
  const pairs = nearestPairs(model.steps, similarity, chosen.dropped, drop);
  const schedules = [
    { name: "before", steps: model.steps },
    { name: `${drop} dropped`, steps: chosen.steps },
    ...(pairs.length > 0
      ? [
          {
            name: `${drop} dropped, ${pairs.length} shared`,
            steps: sharePairs(model.steps, chosen.dropped, pairs),
          },
        ]
      : []),
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
 * Of the steps that are not dropped, the pairs of neighbours that change the hidden state least, at most `count`: the
 * position of the first of each. No step is in two of them, and a half is never paired with another kind of step.
 */
export function nearestPairs(
  steps: Steps,
  similarity: Similarity,
  dropped: readonly number[],
  count: number,
): number[] {
  const taken = new Set(dropped);
  const pairs = (similarity.angular[1] ?? []).map((distance, first) => ({ distance, first }));
  const found: number[] = [];
  for (const { first } of pairs.sort((a, b) => a.distance - b.distance)) {
    if (found.length === count) break;
    if (taken.has(first) || taken.has(first + 1) || steps[first]!.part !== steps[first + 1]!.part) continue;
    taken.add(first).add(first + 1);
    found.push(first);
  }
  return found;
}

/** The first step of each pair is played twice, and the second goes, as do the dropped ones. */
export function sharePairs(steps: Steps, dropped: readonly number[], pairs: readonly number[]): Steps {
  const gone = new Set(dropped);
  const repeats = new Set(pairs.map((first) => first + 1));
  return steps.flatMap((step, i) => (gone.has(i) ? [] : [repeats.has(i) ? steps[i - 1]! : step]));
}
