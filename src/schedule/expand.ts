/**
 * From the syntax tree to what is played. Exits and open-ended loops cut a schedule into stretches; `stretches` is the
 * common ground of the player's `steps` and of the printer.
 */
import { inputError } from "../errors.ts";
import type { Item, Range, Schedule, Step, Steps } from "./schedule.ts";

/** A step that may have a router in front of it. */
export interface RoutedStep extends Step {
  /** Share of the tokens that the router lets through; undefined where there is no router. */
  readonly capacity?: number;
}

/** Steps with nothing to decide between them. */
export interface Stretch {
  readonly steps: readonly RoutedStep[];
  /** The stretch repeats until a halting unit ends it. */
  readonly open: boolean;
  /** The forward pass may end after the stretch. */
  readonly exit: boolean;
}

/**
 * The steps that a schedule plays, in order. Exits do not change them (see `exits`).
 * Throws `schedule-open` for `x*` and `~`, which no model can play without parts that a plain checkpoint does not have.
 */
export function steps(schedule: Schedule): Steps {
  const played: Step[] = [];
  for (const stretch of stretches(schedule)) {
    if (stretch.open) throw notPlayable(schedule, '"x*" repeats until a halting unit says stop');
    for (const { block, part, capacity } of stretch.steps) {
      if (capacity !== undefined) throw notPlayable(schedule, '"~" lets only the tokens through that a router picks');
      played.push({ block, part });
    }
  }
  return played;
}

/** Where the forward pass may end early: the number of steps played by then, ascending, an open loop counted once. */
export function exits(schedule: Schedule): readonly number[] {
  const positions: number[] = [];
  let played = 0;
  for (const stretch of stretches(schedule)) {
    played += stretch.steps.length;
    if (stretch.exit) positions.push(played);
  }
  return positions;
}

/** The whole schedule as stretches, repeats written out; at most MAX_STEPS steps, which the parser has checked. */
export function stretches(schedule: Schedule): readonly Stretch[] {
  const done: Stretch[] = [];
  let steps: RoutedStep[] = [];

  const cut = (open: boolean, exit: boolean) => {
    if (steps.length > 0) done.push({ steps, open, exit });
    else if (exit) done.push({ ...done.pop()!, exit }); // "(0!)!" and "0x*!" mark what has just been cut
    steps = [];
  };
  const play = (item: Item) => {
    if (item.times === "open") cut(false, false);
    if (item.plays.kind === "each") {
      const before = steps;
      steps = [];
      item.plays.items.forEach(play); // plain, so this does not cut
      for (const step of steps) for (let i = 0; i < Number(item.times); i++) before.push(step);
      steps = before;
    } else {
      for (let i = 0; i < (item.times === "open" ? 1 : item.times); i++) {
        if (item.plays.kind === "group") item.plays.items.forEach(play);
        else steps.push(...rangeSteps(item.plays));
      }
    }
    if (item.times === "open" || item.exit) cut(item.times === "open", item.exit);
  };
  schedule.items.forEach(play);
  cut(false, false);
  return done;
}

function rangeSteps({ part, first, last, capacity }: Range): RoutedStep[] {
  const direction = first <= last ? 1 : -1;
  return Array.from({ length: Math.abs(last - first) + 1 }, (_, i) => ({
    block: first + i * direction,
    part,
    ...(capacity === undefined ? {} : { capacity }),
  }));
}

function notPlayable(schedule: Schedule, why: string): Error {
  const text = schedule.text.length > 60 ? `${schedule.text.slice(0, 60)}…` : schedule.text;
  return inputError(
    "schedule-open",
    `schedule: "${text}" cannot be played: ${why}`,
    "A checkpoint must bring that part, and nothing in Refrain plays it yet. Write a fixed schedule, e.g. 0x12.",
  );
}
