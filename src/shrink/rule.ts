/**
 * A rule chooses steps from one measurement of how similar the hidden states are, and asks nothing more of the model: so
 * `measure` can show what it would do before anything is written. `ruleMethod` makes a method of it.
 */
import { inputError } from "../errors.ts";
import type { Similarity } from "../measure/similarity.ts";

export interface Rule {
  /** As `--by` takes it. */
  readonly name: string;
  /** One line for the help text. */
  readonly description: string;
  readonly paper: string;
  /**
   * The `drop` steps that are missed least: 0-based indices into the played schedule, ascending.
   * Throws `drop-count` unless 1 <= drop < steps.
   */
  choose(similarity: Similarity, drop: number): number[];
  /** What it goes by for that number of steps. */
  scores(similarity: Similarity, drop: number): readonly number[];
  /**
   * Another choice, clearly different from the first, that the measurement cannot tell from it: their scores are closer
   * than their standard errors. Undefined where there is none, or where one window leaves no errors.
   */
  rival(similarity: Similarity, drop: number): number[] | undefined;
}

/** Every rule's first line. */
export function checkDrop(steps: number, drop: number): void {
  if (Number.isInteger(drop) && drop >= 1 && drop < steps) return;
  throw inputError(
    "drop-count",
    `cannot drop ${drop} of the ${steps} steps that this schedule plays`,
    steps > 1 ? `Drop a whole number of steps, from 1 to ${steps - 1}.` : "A schedule of one step has none to spare.",
  );
}
