/** From scores to figures: accuracy, accuracy by likelihood a character, perplexity; each with its standard error. */
import type { Item, Score } from "./item.ts";
import type { Metric } from "./tasks.ts";

export interface Figure {
  readonly value: number;
  /** √(sample variance / n); NaN for a single item. Of perplexity: its value times the error of the mean loss. */
  readonly standardError: number;
}

export interface ScoredItem {
  readonly item: Item;
  /** One for each request. */
  readonly scores: readonly Score[];
}

/** The choice with the greatest likelihood; with `acc_norm`, with the greatest log-likelihood a character. */
export function predicted({ item, scores }: ScoredItem, metric: "acc" | "acc_norm"): number {
  const values = scores.map(({ logLikelihood }, i) => logLikelihood / (metric === "acc" ? 1 : item.lengths[i]!));
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

export function figure(metric: Metric, items: readonly ScoredItem[]): Figure {
  if (metric === "perplexity") {
    const { value, standardError } = mean(items.map(({ scores }) => -scores[0]!.logLikelihood));
    const perplexity = Math.exp(value);
    return { value: perplexity, standardError: perplexity * standardError };
  }
  return mean(items.map((scored) => (isRight(scored, metric) ? 1 : 0)));
}

/** Which items are right: "1" or "0" for each, in their order. */
export const answers = (metric: "acc" | "acc_norm", items: readonly ScoredItem[]): string =>
  items.map((scored) => (isRight(scored, metric) ? "1" : "0")).join("");

/**
 * How much larger the share of right answers to the same items is than at first. Models that are alike mostly miss the same items, so
 * the error, of the differences item by item, is smaller than both of theirs.
 */
export function pairedDifference(first: string, then: string): Figure {
  return mean(Array.from(first, (right, i) => Number(then[i]) - Number(right)));
}

/** Share of right answers that guessing gives; with a single request there is nothing to guess among. */
export function chance(items: readonly ScoredItem[]): number {
  const shares = items.map(({ item }) => (item.requests.length === 1 ? 0 : 1 / item.requests.length));
  return mean(shares).value;
}

function isRight(scored: ScoredItem, metric: "acc" | "acc_norm"): boolean {
  if (scored.scores.length === 1) return scored.scores[0]!.greedy;
  return predicted(scored, metric) === scored.item.gold;
}

export function mean(values: readonly number[]): Figure {
  const n = values.length;
  const value = values.reduce((sum, x) => sum + x, 0) / n;
  const variance = values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (n - 1);
  return { value, standardError: Math.sqrt(variance / n) };
}

/** The mean of independent figures. */
export function meanOfFigures(figures: readonly Figure[]): Figure {
  const n = figures.length;
  const variance = figures.reduce((sum, { standardError }) => sum + standardError ** 2, 0);
  return { value: figures.reduce((sum, { value }) => sum + value, 0) / n, standardError: Math.sqrt(variance) / n };
}
