/**
 * A schedule is the order in which a model's blocks are applied to the residual stream. It is the one idea of Refrain:
 * sharing, dropping, reversing and repeating layers are all edits of it. This folder knows nothing of models or weights.
 *
 * A schedule has two forms. `Schedule` is the notation, parsed: it keeps groups, exits, routers and open-ended loops.
 * `Steps` is what is played, one entry a step: edits, statistics and the engine work on it.
 * `docs/schedule.md` describes the notation.
 */

import { inputError } from "../errors.ts";

/** What a step plays: the whole block, or only its attention or feed-forward half. */
export type Part = "block" | "attention" | "ffn";

/** One entry of a played schedule: what a reader of a paper would count as a layer. */
export interface Step {
  readonly block: number;
  readonly part: Part;
}

/** A schedule, unrolled: the steps in the order in which they are played. */
export type Steps = readonly Step[];

/** A parsed schedule. Only `parseSchedule` and `fromSteps` make one, so its sizes are within the limits below. */
export interface Schedule {
  /** As it was written. */
  readonly text: string;
  readonly items: readonly Item[];
}

/** One item of the notation with what stands behind it, e.g. `(0-5)x2!`. */
export interface Item {
  /** Where the item begins in the text, for messages. */
  readonly at: number;
  readonly plays: Range | Group | Each;
  /** `x2` is 2; `x*` is "open": a halting unit decides how often. */
  readonly times: number | "open";
  /** `!`: the forward pass may end after this item. */
  readonly exit: boolean;
}

/** `3`, `a3`, `0-29`, `5-0`, `f20-29`, `1~0.125`. */
export interface Range {
  readonly kind: "range";
  readonly part: Part;
  readonly first: number;
  readonly last: number;
  /** Where the two numbers stand in the text; the same place where there is one number. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** `~0.125`: a router lets this share of the tokens through; undefined where there is no router. */
  readonly capacity: number | undefined;
}

/** `(0-5 5-0)`: played as a whole, `times` times. */
export interface Group {
  readonly kind: "group";
  readonly items: readonly Item[];
}

/** `each(0-14)`: every step in it is played `times` times in a row. */
export interface Each {
  readonly kind: "each";
  readonly items: readonly Item[];
}

/** Most steps a schedule plays; an open-ended loop counts once. Checked before anything is expanded. */
export const MAX_STEPS = 4096;
/** Highest block number. */
export const MAX_BLOCK = 4095;
/** Deepest nesting of parentheses. The printer needs at most 13: every level at least halves what is inside. */
export const MAX_DEPTH = 16;
/** Longest text, in characters. Any schedule within the limits above prints shorter. */
export const MAX_TEXT = 131_072;
/** Most decimals of a router's capacity. */
export const MAX_CAPACITY_DECIMALS = 6;

/** Letter in front of a block number. */
export const PART_LETTER: Readonly<Record<Part, string>> = { block: "", attention: "a", ffn: "f" };

export function hasAttention(step: Step): boolean {
  return step.part !== "ffn";
}

export function hasFfn(step: Step): boolean {
  return step.part !== "attention";
}

/** The ordinary transformer: blocks 0 … blocks-1, each once. */
export function identitySteps(blocks: number): Steps {
  return Array.from({ length: blocks }, (_, block) => ({ block, part: "block" }));
}

export const sameSteps = (a: Steps, b: Steps): boolean =>
  a.length === b.length && a.every((step, i) => step.block === b[i]!.block && step.part === b[i]!.part);

/** True where the schedule is the ordinary transformer of `blocks` blocks, so that any tool can play it. */
export function isIdentity(steps: Steps, blocks: number): boolean {
  return steps.length === blocks && steps.every((step, i) => step.block === i && step.part === "block");
}

/** Steps that a program made, back if a schedule can hold them. */
export function checkSteps(steps: Steps): Steps {
  if (steps.length === 0 || steps.length > MAX_STEPS) {
    throw inputError(
      "schedule-edit",
      `schedule: this edit leaves ${steps.length} steps; a schedule has 1 to ${MAX_STEPS}`,
      steps.length === 0 ? "Keep at least one step." : "Repeat less often.",
    );
  }
  const wrong = steps.find(({ block }) => !Number.isInteger(block) || block < 0 || block > MAX_BLOCK);
  if (wrong) {
    throw inputError(
      "schedule-edit",
      `schedule: a step plays block ${wrong.block}; block numbers go from 0 to ${MAX_BLOCK}`,
      "Number the blocks from 0.",
    );
  }
  return steps;
}
