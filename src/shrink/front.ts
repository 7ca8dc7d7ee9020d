/** What a search tried, and which of it nothing else beats: the Pareto front of size against loss. */
import type { Budget, Price } from "./budget.ts";
import type { Weights } from "./candidates.ts";

export interface Tried extends Price {
  readonly way: string;
  /** Steps, pairs or hidden channels that it took. */
  readonly count: number;
  /** Of what was played; a block that was made has the next number behind the model's. */
  readonly schedule: string;
  readonly weights: Weights;
  /** Mean cross-entropy of the next token, in nats, on text that no choice was made by. */
  readonly loss: number;
  readonly withinBudget: boolean;
  /** Nothing that was tried is smaller without a higher loss. */
  readonly front: boolean;
}

/** A search for the record and for the eye. */
export interface Search {
  readonly model: string;
  readonly text: string;
  readonly predictedTokens: number;
  readonly budget: Budget;
  readonly tried: readonly Tried[];
  /** Index of what was chosen. */
  readonly chosen: number;
}

/** Whether nothing is as good in both and better in one. */
export function onFront<T extends { readonly bytes: number; readonly loss: number }>(
  all: readonly T[],
  one: T,
): boolean {
  return !all.some(
    (other) => other.bytes <= one.bytes && other.loss <= one.loss && (other.bytes < one.bytes || other.loss < one.loss),
  );
}
