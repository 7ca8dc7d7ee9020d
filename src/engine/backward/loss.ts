/**
 * The mean of the losses of the rows that have a target, n of them, and each row's cross-entropy:
 *
 *   dloss = share / n,   dlogits = dloss · (softmax(logits) - one-hot(target))
 *
 * A row whose target is negative has no loss and gets no gradient. `share` is the play's: 1, or what of a larger batch it is.
 */
import type { ForwardOperation, Value } from "../graph.ts";
import type { Rule, Tape } from "./tape.ts";

/** The end of a graph, where the backward pass begins: its own gradient is the play's share. */
export function mean(tape: Tape, { losses }: Extract<ForwardOperation, { readonly kind: "mean" }>): void {
  tape.give(losses, () => tape.graph.record({ kind: "meanInput", losses }, 1, losses.rows));
}

export const crossEntropy: Rule<"crossEntropy"> = (tape, op, dy) => {
  const logits: Value = tape.again(op.logits);
  tape.giveSum(op.logits, () =>
    tape.graph.record({ kind: "crossEntropyInput", dy, logits }, logits.width, logits.rows),
  );
};
