/**
 * The weighted mean of the losses of the rows that have a target, n of them, and each row's loss: cross-entropy, divergence
 * from a teacher at temperature T, distance to a teacher's hidden state:
 *
 *   dloss = share · weight / n,   dlogits = dloss · (softmax(logits) - one-hot(target))
 *   dlogits = dloss · T · (softmax(logits / T) - softmax(teacher / T)),   dx = dloss · 2 / width · (x - teacher)
 *
 * A row whose target is negative has no loss and gets no gradient. `share` is the play's: 1, or what of a larger batch it is.
 */
import type { ForwardOperation, Value } from "../graph.ts";
import type { Rule, Tape } from "./tape.ts";

export type Mean = Extract<ForwardOperation, { readonly kind: "mean" }>;

/** The means that are added up to a loss, the last first. */
export function terms(loss: Value): readonly Mean[] {
  const { operation } = loss;
  if (operation.kind !== "mean") throw new Error(`differentiate: the loss must be a mean, not ${operation.kind}`);
  return [operation, ...(operation.plus ? terms(operation.plus) : [])];
}

/** A term at the end of a graph, where the backward pass begins: its own gradient is the play's share. */
export function mean(tape: Tape, { losses, weight }: Mean): void {
  tape.give(losses, (plus) => {
    if (plus) throw new Error("mean: the same losses are counted twice");
    return tape.graph.record({ kind: "meanInput", losses, weight }, 1, losses.rows);
  });
}

export const crossEntropy: Rule<"crossEntropy"> = (tape, op, dy) => {
  const logits: Value = tape.again(op.logits);
  tape.giveSum(op.logits, () =>
    tape.graph.record({ kind: "crossEntropyInput", dy, logits }, logits.width, logits.rows),
  );
};

export const distill: Rule<"distill"> = (tape, op, dy) => {
  const [student, teacher] = [tape.again(op.student), tape.again(op.teacher)];
  const own = { dy, student, teacher, temperature: op.temperature };
  tape.giveSum(op.student, () => tape.graph.record({ kind: "distillInput", ...own }, student.width, student.rows));
};

export const meanSquares: Rule<"meanSquares"> = (tape, op, dy) => {
  const [x, teacher] = [tape.again(op.x), tape.again(op.teacher)];
  tape.giveSum(op.x, () => tape.graph.record({ kind: "meanSquaresInput", dy, x, teacher }, x.width, x.rows));
};
