/**
 * Attention of a whole sequence from position 0, causal or not, and the rotary embedding before it. With s = q kᵀ / √d, p = softmax(s)
 * over the positions that a row sees and dp = dy vᵀ (FlashAttention, Dao et al. 2022, arXiv 2205.14135, appendix B):
 *
 *   ds = p ∘ (dp - Σ p ∘ dp) / √d;   dq = ds k,   dk = dsᵀ q,   dv = pᵀ dy
 *
 * dk and dv are sums over the rows that see a position and over the query heads of a group. p is not kept: `attentionQueries`
 * computes it again and leaves two numbers a row and head, from which `attentionKeysValues` has it without another softmax.
 */
import type { Rule } from "./tape.ts";

export const attention: Rule<"attention"> = (tape, op, dy) => {
  const { graph } = tape;
  const { shape } = op;
  const [q, k, v] = [tape.again(op.q), tape.again(op.k), tape.again(op.v)];
  const own = { dy, q, k, v, shape };
  const queries = graph.record({ kind: "attentionQueries", ...own }, q.width + 2 * shape.heads, dy.rows);
  tape.giveSum(op.q, () => graph.columns(queries, 0, q.width));
  if (!tape.wants(op.k) && !tape.wants(op.v)) return;
  const both = graph.record({ kind: "attentionKeysValues", ...own, queries }, 2 * k.width, dy.rows);
  tape.giveSum(op.k, () => graph.columns(both, 0, k.width));
  tape.giveSum(op.v, () => graph.columns(both, k.width, v.width));
};

export const rope: Rule<"rope"> = (tape, { x, heads, headWidth, table }, dy) => {
  tape.giveSum(x, () => tape.graph.rope(dy, heads, headWidth, tape.inverse(table)));
};
