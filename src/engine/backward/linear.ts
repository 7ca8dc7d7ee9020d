/**
 * y = x Wᵀ + b, and the table of embeddings, which is the same map of one-hot rows:
 *
 *   dx = dy W,   dW = dyᵀ x,   db = Σ rows of dy;   dTable[token] = Σ rows of dy that belong to it
 *
 * W may be kept in any type: the product reads the numbers that it stands for. What the forward pass rounds besides (the
 * activations, for quantized weights) is taken as if it were not.
 */
import type { Rule } from "./tape.ts";

export const linear: Rule<"linear"> = (tape, { x, weight, bias }, dy) => {
  const { graph } = tape;
  tape.train(weight, (plus) =>
    graph.record({ kind: "linearWeight", dy, x: tape.again(x), plus }, weight.columns, weight.rows),
  );
  if (bias) tape.train(bias, (plus) => graph.record({ kind: "sumRows", dy, plus }, bias.columns, 1));
  tape.give(x, (plus) => graph.record({ kind: "linearInput", dy, weight, plus }, weight.columns, dy.rows));
};

export const embed: Rule<"embed"> = (tape, { table, indices }, dy) => {
  tape.train(table, (plus) => tape.graph.record({ kind: "embedTable", dy, indices, plus }, table.columns, table.rows));
};
