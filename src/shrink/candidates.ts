/**
 * What a search tries: ways to shorten a schedule, each by several amounts, each with weights of several types. Nothing is played
 * here; the measurement of the whole schedule says what goes first.
 */
import type { Similarity } from "../measure/similarity.ts";
import { dropSteps, halves, joinHalves } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { angular } from "./angular.ts";
import { nearestPairs, sharePairs } from "./demo.ts";
import { influence } from "./influence.ts";

/** How weights can be kept in memory, dearest first. */
export const weightTypes = ["f16", "q8", "q4"] as const;
export type Weights = (typeof weightTypes)[number];

/** A schedule, and how the model's own became it. */
export interface Shortened {
  readonly steps: Steps;
  /** Positions that are gone; with `halves`, of halves. */
  readonly dropped: readonly number[];
  readonly halves?: boolean;
}

/** A way to shorten a schedule, by 1 to `most` steps. */
export interface Way {
  readonly name: string;
  readonly most: number;
  readonly by: (count: number) => Shortened;
}

export interface Candidate extends Shortened {
  /** Name of the way, and by how much; "whole" and 0 where the schedule is as it was. */
  readonly way: string;
  readonly count: number;
  readonly schedule: string;
  readonly weights: Weights;
}

/** `measured`: of `steps`; `ofHalves`: of its halves, where there is something to halve. */
export function waysToShorten(steps: Steps, measured: Similarity, ofHalves: Similarity | undefined): Way[] {
  const most = steps.length - 1;
  const pairs = (dropped: readonly number[], count: number) => nearestPairs(steps, measured, dropped, count);
  const run = (count: number) => angular.choose(measured, count);
  const drop = (dropped: readonly number[]): Shortened => ({ steps: dropSteps(steps, dropped), dropped });
  const entries = halves(steps);
  return [
    { name: "angular", most, by: (count) => drop(run(count)) },
    { name: "influence", most, by: (count) => drop(influence.choose(measured, count)) },
    ...(ofHalves
      ? [
          {
            name: "influence of halves",
            most,
            by: (count: number) => {
              const dropped = influence.choose(ofHalves, 2 * count);
              return { steps: joinHalves(dropSteps(entries, dropped)), dropped, halves: true };
            },
          },
        ]
      : []),
    {
      name: "share pairs",
      most: pairs([], steps.length).length,
      by: (count) => ({ steps: sharePairs(steps, [], pairs([], count)), dropped: [] }),
    },
    {
      // As many pairs as steps that are dropped: each takes three.
      name: "angular, then share pairs",
      most: Math.floor(steps.length / 3),
      by: (count) => {
        const dropped = run(count);
        return { steps: sharePairs(steps, dropped, pairs(dropped, count)), dropped };
      },
    },
  ];
}

/**
 * The whole schedule and every way to shorten it, with every type of weights: by these shares of the steps, and by the fewest that
 * are `small` enough. No schedule comes twice with the same weights.
 */
export function candidates(
  steps: Steps,
  ways: readonly Way[],
  shares: readonly number[],
  small: (steps: Steps, weights: Weights) => boolean,
): Candidate[] {
  const found = new Map<string, Candidate>();
  const add = (way: string, count: number, weights: Weights, shortened: Shortened) => {
    const schedule = printSteps(shortened.steps);
    const key = `${schedule} ${weights}`;
    if (!found.has(key)) found.set(key, { ...shortened, way, count, schedule, weights });
  };
  const usual = shares.map((share) => Math.max(1, Math.round(share * steps.length)));
  for (const weights of weightTypes) {
    add("whole", 0, weights, { steps, dropped: [] });
    for (const { name, most, by } of ways) {
      const fewest = Array.from({ length: most }, (_, i) => i + 1).find((count) => small(by(count).steps, weights));
      const counts = new Set([...usual.filter((count) => count <= most), ...(fewest === undefined ? [] : [fewest])]);
      for (const count of [...counts].sort((a, b) => a - b)) add(name, count, weights, by(count));
    }
  }
  return [...found.values()];
}
