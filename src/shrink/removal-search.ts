/**
 * The search behind `perplexity`: in each round every entry that is left is left out in turn, and the one whose absence
 * leaves the least loss goes for good. What is known is kept after every window, so a search that is stopped loses less
 * than a window's work. Losses are sums in the order of the windows: a resumed search gives the same numbers to the bit.
 */

import { modelCost } from "../measure/cost.ts";
import { removalLosses } from "../measure/removal.ts";
import type { ModelConfig } from "../model/config.ts";
import type { StepwisePlayer } from "../model/stepwise.ts";
import type { OnProgress } from "../progress.ts";
import type { Steps } from "../schedule/schedule.ts";
import type { Calibration, Journal, Json } from "./method.ts";

export interface Round {
  /** Position of what went in this round, in the schedule before the search. */
  readonly dropped: number;
  /** Mean loss in nats a token before the round. */
  readonly whole: number;
  /** The same without each entry that was left, by its position: all that this round knew. */
  readonly without: Readonly<Record<string, number>>;
}

export interface SearchOptions {
  readonly calibration: Calibration;
  readonly journal: Journal;
  /** Whether what is left is small enough. */
  readonly enough: (left: Steps) => boolean;
  /** Rounds that are expected, for the time that is left. */
  readonly rounds: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** What the journal holds: finished rounds, and sums over the windows of the round that is under way. */
interface State {
  readonly rounds: readonly Round[];
  readonly windows: number;
  /** [1 + entries left] the whole schedule's first. */
  readonly sums: readonly number[];
}

/** Rounds until `enough`, or until one entry is left. */
export async function searchRemovals(
  player: StepwisePlayer,
  config: ModelConfig,
  steps: Steps,
  { calibration, journal, enough, rounds: expected, signal, onProgress }: SearchOptions,
): Promise<readonly Round[]> {
  let state = ((await journal.read()) ?? { rounds: [], windows: 0, sums: [] }) as unknown as State;
  const { tokens, window, windows } = calibration;
  const head = headPlays(config, steps);
  const work = (entries: number) => (entries * (entries + 1)) / 2 + head * (entries + 1);
  const total = sum(Array.from({ length: expected }, (_, round) => windows * work(steps.length - round)));
  const leftAfter = (rounds: readonly Round[]) => {
    const gone = new Set(rounds.map(({ dropped }) => dropped));
    return [...steps.keys()].filter((position) => !gone.has(position));
  };
  const play = (positions: readonly number[]) => positions.map((position) => steps[position]!);
  // A search that asked for more may have gone this way before.
  const known = state.rounds.findIndex((_, round) => enough(play(leftAfter(state.rounds.slice(0, round)))));
  if (known >= 0) return state.rounds.slice(0, known);
  for (;;) {
    const left = leftAfter(state.rounds);
    const playing = play(left);
    if (enough(playing) || left.length === 1) return state.rounds;
    const before = sum(state.rounds.map((_, round) => windows * work(steps.length - round)));
    while (state.windows < windows) {
      let done = before + state.windows * work(left.length);
      const onPlayed = (plays: number) => {
        done += plays;
        const label = `round ${state.rounds.length + 1}`;
        onProgress?.({ label, done, total: Math.max(done, total), unit: "steps" });
      };
      const part = tokens.slice(state.windows * window, (state.windows + 1) * window);
      const losses = await removalLosses(player, playing, part, { signal, onPlayed });
      const sums = [losses.whole, ...losses.without].map((loss, i) => (state.sums[i] ?? 0) + loss);
      state = { ...state, windows: state.windows + 1, sums };
      if (state.windows < windows) await journal.write(state as unknown as Json);
    }
    state = { rounds: [...state.rounds, finish(state.sums, left, windows * (window - 1))], windows: 0, sums: [] };
    await journal.write(state as unknown as Json);
  }
}

/** Of equals the deepest goes. */
function finish(sums: readonly number[], left: readonly number[], predicted: number): Round {
  const [whole, ...without] = sums.map((total) => total / predicted) as [number, ...number[]];
  const best = without.reduce((least, loss, i) => (loss <= without[least]! ? i : least), 0);
  return {
    dropped: left[best]!,
    whole,
    without: Object.fromEntries(left.map((position, i) => [position, without[i]!])),
  };
}

/** How many plays of a step the projection onto the vocabulary is worth. */
function headPlays(config: ModelConfig, steps: Steps): number {
  const { flopsPerToken } = modelCost(config, steps);
  const projection = 2 * config.vocabSize * config.hiddenSize;
  return projection / ((flopsPerToken - projection) / steps.length);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
