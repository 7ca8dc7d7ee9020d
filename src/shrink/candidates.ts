/**
 * What a search tries: ways to make a model smaller, each by several amounts, each with weights of several types. Nothing is played
 * or trained here; the measurement of the whole schedule says what goes first. The ways that change weights are in rewriting.ts.
 */
import type { Similarity } from "../measure/similarity.ts";
import type { ModelConfig } from "../model/config.ts";
import { dropSteps, halves, joinHalves } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { angular } from "./angular.ts";
import { nearestPairs, sharePairs } from "./demo.ts";
import { influence } from "./influence.ts";
import type { Shrunk } from "./method.ts";

/** How weights can be kept in memory, dearest first. */
export const weightTypes = ["f16", "q8", "q4"] as const;
export type Weights = (typeof weightTypes)[number];

/** A smaller model, and how the source became it. */
export interface Smaller {
  readonly steps: Steps;
  /** Positions that are gone; with `halves`, of halves. */
  readonly dropped: readonly number[];
  readonly halves?: boolean;
  /** What it costs follows from it; without it, from the source's. */
  readonly config?: ModelConfig;
  /** Where weights change: makes them, at most once. Its steps may be others than `steps`, at the same price. */
  readonly make?: () => Promise<Shrunk>;
}

/** A way to make a model smaller. */
export interface Way {
  readonly name: string;
  /** How much there is that it takes some of: steps, or hidden channels. */
  readonly of: number;
  /** How much it can take, ascending. */
  readonly counts: readonly number[];
  readonly by: (count: number) => Smaller;
  /** So dear to make that it is tried only where the whole is too large, and then by the least that is enough. */
  readonly dear?: boolean;
}

export interface Candidate extends Smaller {
  /** Name of the way, and how much it took; "whole" and 0 where the schedule is as it was. */
  readonly way: string;
  readonly count: number;
  readonly schedule: string;
  readonly weights: Weights;
}

/** Two candidates with one key are the same model. */
export function keyOf({ way, count, schedule, weights, make }: Candidate): string {
  return make ? `${way} ${count} ${weights}` : `${schedule} ${weights}`;
}

/** 1 to `most`. */
export const upTo = (most: number): number[] => Array.from({ length: most }, (_, i) => i + 1);

/** `measured`: of `steps`; `ofHalves`: of its halves, where there is something to halve. */
export function waysToShorten(steps: Steps, measured: Similarity, ofHalves: Similarity | undefined): Way[] {
  const fewer = { of: steps.length, counts: upTo(steps.length - 1) };
  const pairs = (dropped: readonly number[], count: number) => nearestPairs(steps, measured, dropped, count);
  const run = (count: number) => angular.choose(measured, count);
  const drop = (dropped: readonly number[]): Smaller => ({ steps: dropSteps(steps, dropped), dropped });
  const entries = halves(steps);
  const byHalves = (count: number): Smaller => {
    const dropped = influence.choose(ofHalves!, 2 * count);
    return { steps: joinHalves(dropSteps(entries, dropped)), dropped, halves: true };
  };
  return [
    { name: "angular", ...fewer, by: (count) => drop(run(count)) },
    { name: "influence", ...fewer, by: (count) => drop(influence.choose(measured, count)) },
    ...(ofHalves ? [{ name: "influence of halves", ...fewer, by: byHalves }] : []),
    {
      name: "share pairs",
      of: steps.length,
      counts: upTo(pairs([], steps.length).length),
      by: (count) => ({ steps: sharePairs(steps, [], pairs([], count)), dropped: [] }),
    },
    {
      // As many pairs as steps that are dropped: each takes three.
      name: "angular, then share pairs",
      of: steps.length,
      counts: upTo(Math.floor(steps.length / 3)),
      by: (count) => {
        const dropped = run(count);
        return { steps: sharePairs(steps, dropped, pairs(dropped, count)), dropped };
      },
    },
  ];
}

/**
 * The whole model and every way to make it smaller, with every type of weights: by these shares of what a way takes from, and by
 * the least that is `small` enough. No model comes twice.
 */
export function candidates(
  steps: Steps,
  ways: readonly Way[],
  shares: readonly number[],
  small: (smaller: Smaller, weights: Weights) => boolean,
): Candidate[] {
  const found = new Map<string, Candidate>();
  const add = (way: string, count: number, weights: Weights, smaller: Smaller) => {
    const candidate = { ...smaller, way, count, schedule: printSteps(smaller.steps), weights };
    const key = keyOf(candidate);
    if (!found.has(key)) found.set(key, candidate);
  };
  for (const weights of weightTypes) {
    const whole: Smaller = { steps, dropped: [] };
    add("whole", 0, weights, whole);
    for (const { name, of, counts, by, dear = false } of ways) {
      const usual = shares.map((share) => counts.find((count) => count >= Math.max(1, Math.round(share * of))));
      const least = dear && small(whole, weights) ? undefined : counts.find((count) => small(by(count), weights));
      const tried = new Set([...(dear ? [] : usual), least].filter((count) => count !== undefined));
      for (const count of [...tried].sort((a, b) => a - b)) add(name, count, weights, by(count));
    }
  }
  return [...found.values()];
}
