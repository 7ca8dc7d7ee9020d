/**
 * The main job on one model: measure, drop the run of steps that matters least, share the pairs of steps that are
 * nearest to doing nothing, and profile all three. Nothing is trained in between, and the figures show it.
 */
import { inputError } from "../errors.ts";
import { observeModel } from "../measure/observe.ts";
import type { Perplexity } from "../measure/perplexity.ts";
import { type Profile, profile } from "../measure/profile.ts";
import type { Similarity } from "../measure/similarity.ts";
import { decodeSpeeds } from "../measure/speed.ts";
import type { OpenTask } from "../measure/tasks/open-tasks.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { firstTokens } from "../text/first-tokens.ts";
import { angular } from "./angular.ts";
import { checkDrop } from "./rule.ts";
import { choose } from "./shrink.ts";

export interface DemoOptions {
  /** Steps to drop, and pairs of steps to share; by default a tenth of the steps. */
  readonly drop?: number | undefined;
  readonly prompt: string;
  /** Tokens of a window of the measurement. Many short ones serve it best: the choice rests on the last token of each. */
  readonly window: number;
  /** Windows of the measurement, and tokens for perplexity from the text behind it; fewer where the text is short. */
  readonly windows: number;
  readonly evaluate: number;
  readonly tasks?: readonly OpenTask[] | undefined;
  /** Items of each task. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface DemoVariant {
  readonly name: string;
  readonly steps: Steps;
  readonly profile: Profile & { readonly perplexity: Perplexity };
}

export interface DemoResult {
  readonly similarity: Similarity;
  /** Steps of the model's own schedule that were dropped. */
  readonly dropped: readonly number[];
  /** As good a choice as far as the measurement can tell. */
  readonly rival: readonly number[] | undefined;
  /** Before, after dropping, and after sharing as well, where two neighbours are left to share. */
  readonly variants: readonly DemoVariant[];
}

/** Throws `drop-count`, and `text-too-short` where a window for the choice leaves none to judge it by. */
export async function demo(model: Model, text: string, options: DemoOptions): Promise<DemoResult> {
  const { window, prompt, tasks, limit, signal, onProgress } = options;
  const drop = options.drop ?? Math.max(1, Math.round(model.steps.length / 10));
  checkDrop(model.steps.length, drop);
  const { seen, heldOut } = split(model, text, options);
  const similarity = await observeModel(model, seen, { window, windows: seen.length / window, signal, onProgress });
  const chosen = choose(model.steps, angular, similarity, drop);
  const pairs = nearestPairs(model.steps, similarity, chosen.dropped, drop);
  const schedules = [
    { name: "before", steps: model.steps },
    { name: `${drop} dropped`, steps: chosen.steps },
    ...(pairs.length > 0
      ? [
          {
            name: `${drop} dropped, ${pairs.length} ${pairs.length === 1 ? "pair" : "pairs"} shared`,
            steps: sharePairs(model.steps, chosen.dropped, pairs),
          },
        ]
      : []),
  ];
  const models = schedules.map(({ steps }) => model.withSchedule(printSteps(steps)));
  const variants: DemoVariant[] = [];
  try {
    const speeds = await decodeSpeeds(models, 32, signal);
    for (const [i, { name, steps }] of schedules.entries()) {
      const named: OnProgress = (progress) => onProgress?.({ ...progress, label: `${progress.label}, ${name}` });
      const options = { tokens: heldOut, tasks, limit, prompt, speed: speeds[i], signal, onProgress: named };
      const measured = await profile(models[i]!, options);
      variants.push({ name, steps, profile: { ...measured, perplexity: measured.perplexity! } });
    }
  } finally {
    await Promise.all(models.map((variant) => variant.dispose()));
  }
  return { similarity, dropped: chosen.dropped, rival: angular.rival(similarity, drop), variants };
}

/** What the choice is made on, in whole windows, and what it is judged by: no token is in both. */
function split(model: Model, text: string, { window, windows, evaluate }: DemoOptions) {
  const wanted = window * windows + evaluate;
  const tokens = firstTokens(model.needTokenizer(), text, wanted);
  if (tokens.length < 2 * window) {
    throw inputError(
      "text-too-short",
      `the text has ${tokens.length} tokens, expected at least ${2 * window}: some to choose by, others to judge by`,
      `Give a longer --text, best of ${wanted} tokens.`,
    );
  }
  // A text that is too short for all of it is shared out in the same proportion.
  const end = window * Math.max(1, Math.floor((windows * tokens.length) / wanted));
  return { seen: tokens.slice(0, end), heldOut: tokens.slice(end) };
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
