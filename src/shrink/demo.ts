/**
 * The main job on one model: measure, drop the run of steps that matters least, share the pairs of steps that are
 * nearest to doing nothing, and profile all three. Nothing is trained in between, and the figures show it.
 */
import { observeModel } from "../measure/observe.ts";
import { type Profile, profile } from "../measure/profile.ts";
import type { Similarity } from "../measure/similarity.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { angular } from "./angular.ts";
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
  /** Before, after dropping, after sharing. */
  readonly variants: readonly { readonly name: string; readonly steps: Steps; readonly profile: Profile }[];
  /** Tokens of the held-out text. */
  readonly evaluated: number;
}

/** How many tokens of a text `demo` needs. */
export const demoTokens = ({ window, windows, evaluate }: DemoOptions): number => window * windows + evaluate;

export async function demo(model: Model, tokens: readonly number[], options: DemoOptions): Promise<DemoResult> {
  const { window, windows, prompt, signal, onProgress } = options;
  const drop = options.drop ?? Math.max(1, Math.round(model.steps.length / 10));
  const similarity = await observeModel(model, tokens, { window, windows, signal, onProgress });
  const chosen = choose(model.steps, angular, similarity, drop);
  const heldOut = tokens.slice(similarity.tokens);
  const schedules = [
    { name: "before", steps: model.steps },
    { name: `${drop} dropped`, steps: chosen.steps },
    { name: `${drop} dropped, ${drop} shared`, steps: sharePairs(model.steps, similarity, chosen.dropped, drop) },
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
 * Of the steps that are not dropped, the `count` pairs of neighbours that change the hidden state least: the first of
 * each is played twice, the second goes. The indices are those of `steps`, as they were measured.
 */
export function sharePairs(steps: Steps, similarity: Similarity, dropped: readonly number[], count: number): Steps {
  const gone = new Set(dropped);
  const shared = new Set<number>();
  const pairs = (similarity.angular[1] ?? []).map((distance, first) => ({ distance, first }));
  for (const { first } of pairs.sort((a, b) => a.distance - b.distance)) {
    const taken = [first, first + 1].some((step) => gone.has(step) || shared.has(step));
    if (taken || shared.size >= 2 * count) continue;
    shared.add(first).add(first + 1);
  }
  const second = new Set([...shared].filter((_, i) => i % 2 === 1));
  return steps.flatMap((step, i) => (gone.has(i) ? [] : [second.has(i) ? steps[i - 1]! : step]));
}
