/**
 * What works element by element, or moves elements:
 *
 *   a + b: dy to both;   c a: c dy;   silu(a) ∘ b: da = dy ∘ b ∘ σ(a) (1 + a (1 - σ(a))), db = silu(a) ∘ dy;   gelu(a): da = dy ∘ gelu'(a)
 *   a ∘ b: da = dy ∘ b, db = dy ∘ a;   e^a: da = dy ∘ e^a;   softplus(a): da = dy ∘ σ(a)
 *
 * `columns` and `tail` put dy where its numbers came from.
 */
import type { Rule } from "./tape.ts";

export const add: Rule<"add"> = (tape, { a, b }, dy) => {
  tape.giveSum(a, () => dy);
  tape.giveSum(b, () => dy);
};

export const swiglu: Rule<"swiglu"> = (tape, op, dy) => {
  const { graph } = tape;
  const [a, b] = [tape.again(op.a), tape.again(op.b)];
  tape.giveSum(op.a, () => graph.record({ kind: "swigluGate", dy, a, b }, dy.width, dy.rows));
  tape.giveSum(op.b, () => graph.swiglu(a, dy));
};

export const gelu: Rule<"gelu"> = (tape, { a }, dy) => {
  tape.giveSum(a, () => tape.graph.record({ kind: "geluInput", dy, a: tape.again(a) }, dy.width, dy.rows));
};

export const geluExact: Rule<"geluExact"> = (tape, { a }, dy) => {
  tape.giveSum(a, () => tape.graph.record({ kind: "geluExactInput", dy, a: tape.again(a) }, dy.width, dy.rows));
};

export const relu: Rule<"relu"> = (tape, { a }, dy) => {
  tape.giveSum(a, () => tape.graph.record({ kind: "reluInput", dy, a: tape.again(a) }, dy.width, dy.rows));
};

export const multiply: Rule<"multiply"> = (tape, op, dy) => {
  const { graph } = tape;
  tape.giveSum(op.a, () => graph.multiply(dy, tape.again(op.b)));
  tape.giveSum(op.b, () => graph.multiply(dy, tape.again(op.a)));
};

export const exp: Rule<"exp"> = (tape, { a }, dy) => {
  tape.giveSum(a, () => tape.graph.multiply(dy, tape.graph.exp(tape.again(a))));
};

export const softplus: Rule<"softplus"> = (tape, { a }, dy) => {
  tape.giveSum(a, () => tape.graph.record({ kind: "softplusInput", dy, a: tape.again(a) }, dy.width, dy.rows));
};

export const scale: Rule<"scale"> = (tape, { a, factor }, dy) => {
  tape.giveSum(a, () => tape.graph.scale(dy, factor));
};

export const columns: Rule<"columns"> = (tape, { x, first }, dy) => {
  tape.give(x, (plus) => tape.graph.record({ kind: "columnsInput", dy, first, plus }, x.width, dy.rows));
};

export const tail: Rule<"tail"> = (tape, { x }, dy) => {
  tape.giveSum(x, () => tape.graph.record({ kind: "tailInput", dy }, dy.width, x.rows));
};
