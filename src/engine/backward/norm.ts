/**
 * RMS norm (Zhang & Sennrich 2019, arXiv 1910.07467), y = x̂ ∘ w with x̂ = x / r, r = √(mean(x²) + ε), of a row or of each head:
 *
 *   dx = (g - x̂ · mean(g ∘ x̂)) / r,   g = dy ∘ w;   dw = Σ dy ∘ x̂
 *
 * Layer norm (Ba et al. 2016, arXiv 1607.06450), y = x̂ ∘ w + b with x̂ = (x - mean(x)) / r, r = √(variance(x) + ε):
 *
 *   dx = (g - mean(g) - x̂ · mean(g ∘ x̂)) / r;   dw = Σ dy ∘ x̂;   db = Σ dy
 */
import type { Value } from "../graph.ts";
import type { Parameter } from "../parameter.ts";
import type { Rule, Tape } from "./tape.ts";

function rms(tape: Tape, x: Value, weight: Parameter, epsilon: number, heads: number, dy: Value): void {
  const { graph } = tape;
  const own = { dy, x: tape.again(x), epsilon, heads };
  tape.train(weight, (plus) => graph.record({ kind: "rmsNormWeight", ...own, plus }, weight.columns, 1));
  tape.giveSum(x, () => graph.record({ kind: "rmsNormInput", ...own, weight }, x.width, dy.rows));
}

export const rmsNorm: Rule<"rmsNorm"> = (tape, { x, weight, epsilon }, dy) => rms(tape, x, weight, epsilon, 1, dy);

export const headNorm: Rule<"headNorm"> = (tape, { x, weight, epsilon, heads }, dy) =>
  rms(tape, x, weight, epsilon, heads, dy);

export const layerNorm: Rule<"layerNorm"> = (tape, { x, weight, bias, epsilon }, dy) => {
  const { graph } = tape;
  const own = { dy, x: tape.again(x), epsilon };
  tape.train(weight, (plus) => graph.record({ kind: "layerNormWeight", ...own, plus }, weight.columns, 1));
  tape.train(bias, (plus) => graph.record({ kind: "sumRows", dy, plus }, bias.columns, 1));
  tape.giveSum(x, () => graph.record({ kind: "layerNormInput", ...own, weight }, x.width, dy.rows));
};
