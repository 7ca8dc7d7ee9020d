/**
 * The main job on one model: measure, drop the run of steps that matters least, share the pairs of steps that are
 * nearest to doing nothing, heal what is left by what the whole model says of another part of the text, and profile all four.
 */
import { inputError, RefrainError } from "../errors.ts";
import { modelCost } from "../measure/cost.ts";
import { observeModel } from "../measure/observe.ts";
import type { Perplexity } from "../measure/perplexity.ts";
import { type Profile, profile } from "../measure/profile.ts";
import type { Similarity } from "../measure/similarity.ts";
import { decodeSpeeds } from "../measure/speed.ts";
import type { OpenTask } from "../measure/tasks/open-tasks.ts";
import type { OnProgress } from "../progress.ts";
import type { Model, WeightType } from "../refrain.ts";
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
  /** How long the smallest version learns from the whole one; 0 leaves it as it is. */
  readonly healSeconds: number;
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
  /** Before, after dropping, after sharing as well, where two neighbours are left to share, and after healing. */
  readonly variants: readonly DemoVariant[];
  /** What the last variant learned from; undefined where nothing was healed. */
  readonly healed: { readonly seconds: number; readonly tokens: number; readonly parameters: number } | undefined;
}

/** Throws `drop-count`, and `text-too-short` where a window for the choice leaves none to judge it by. */
export async function demo(model: Model, text: string, options: DemoOptions): Promise<DemoResult> {
  const { window, prompt, tasks, limit, signal, onProgress } = options;
  const drop = options.drop ?? Math.max(1, Math.round(model.steps.length / 10));
  checkDrop(model.steps.length, drop);
  // The first half is measured on, the second healed with: nothing is judged by what it learned from.
  const half = options.healSeconds > 0 ? Math.floor(text.length / 2) : text.length;
  const { seen, heldOut } = split(model, text.slice(0, half), options);
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
    const healing = await healed(models.at(-1)!, model, text.slice(half), options);
    if (healing) {
      const last = schedules.at(-1)!;
      schedules.push({ ...last, name: `${last.name}, healed` });
      models.push(healing.model);
    }
    const speeds = await decodeSpeeds(models, 32, signal);
    for (const [i, { name, steps }] of schedules.entries()) {
      const named: OnProgress = (progress) => onProgress?.({ ...progress, label: `${progress.label}, ${name}` });
      const options = { tokens: heldOut, tasks, limit, prompt, speed: speeds[i], signal, onProgress: named };
      const measured = await profile(models[i]!, options);
      variants.push({ name, steps, profile: { ...measured, perplexity: measured.perplexity! } });
    }
    const rival = angular.rival(similarity, drop);
    return { similarity, dropped: chosen.dropped, rival, variants, healed: healing?.facts };
  } finally {
    await Promise.all(models.map((variant) => variant.dispose()));
  }
}

/** A model of more parameters learns by an adapter: all of them would not move in half a minute. */
const MOST_TRAINED = 20_000_000;

/** The small model after it has learned to say what the whole one says; undefined where the text is too short for that. */
async function healed(small: Model, whole: Model, text: string, options: DemoOptions) {
  const { healSeconds: seconds, signal, onProgress } = options;
  if (seconds === 0) return undefined;
  const learnsAll = modelCost(small.config, small.steps).uniqueParameters <= MOST_TRAINED;
  try {
    const { model, adapter, tokens, parameters } = await small.heal(text, {
      healed: learnsAll ? { kind: "all" } : { kind: "lora", rank: 8, modules: "all" },
      teacher: { schedule: whole.schedule },
      budget: { seconds },
      ...(learnsAll && { rate: 1e-3 }),
      signal,
      onProgress: (progress) => onProgress?.({ ...progress, label: "healing" }),
    });
    const plain = adapter ? await model.merged({ signal }) : model;
    try {
      // What learned is of higher precision; to be compared it is kept as the others are.
      const { player } = whole.memory;
      const same = await plain.reload({ weights: usualType(whole), threads: player.threads, signal });
      return { model: same, facts: { seconds, tokens, parameters } };
    } finally {
      await Promise.all([...new Set([plain, model])].map((one) => one.dispose()));
    }
  } catch (error) {
    if (RefrainError.is(error) && error.code === "text-too-short") return undefined;
    throw error;
  }
}

/** What most of a model's weights are kept as. */
function usualType(model: Model): WeightType {
  const bytes: Partial<Record<WeightType, number>> = {};
  for (const { type, pieces } of model.packedWeights()) {
    const name = type === "q4_1" ? "q4" : type;
    for (const piece of pieces) bytes[name] = (bytes[name] ?? 0) + piece.length;
  }
  return (Object.entries(bytes) as [WeightType, number][]).reduce((most, one) => (one[1] > most[1] ? one : most))[0];
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
    const [step, next] = [steps[first]!, steps[first + 1]!];
    // Two plays of one block are shared already.
    if (taken.has(first) || taken.has(first + 1) || step.part !== next.part || step.block === next.block) continue;
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
