/**
 * A schedule is the order in which a model's blocks are applied to the residual stream. It is the one idea of Refrain:
 * sharing, dropping, reversing and repeating layers are all edits of it. This folder knows nothing of models or weights.
 */

/** What a step plays: the whole block, or only its attention or feed-forward half. */
export type Part = "block" | "attention" | "ffn";

/** One entry of a played schedule: what a reader of a paper would count as a layer. */
export interface Step {
  readonly block: number;
  readonly part: Part;
}

/** A schedule, unrolled: the steps in the order in which they are played. */
export type Steps = readonly Step[];
