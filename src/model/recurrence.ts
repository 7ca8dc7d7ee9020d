/**
 * A stable way into a loop (Parcae, arXiv 2604.12946). A looped model plays a prelude, then some blocks again and again, then a
 * coda: `0-1 (2-3)x4 4-5`. Each time the loop begins anew, the residual stream h forgets a part of itself and is told again what the
 * prelude said:
 *
 *   e = rmsnorm(what the prelude left)
 *   h ← exp(-Δ A) ∘ h + Δ ∘ (B e),   A = exp(A_log) > 0,   Δ = softplus(dt) > 0
 *
 * by channel, so that no loop lets h grow by this map, however often it is played: exp(-Δ A) < 1. B begins as the identity; here h
 * begins as 0 (the paper draws it) and so the first time is Δ ∘ (B e).
 *
 * The loop begins at each play of one block. How often that is, is the schedule's: the paper draws it for each sequence in training,
 * here it is fixed.
 */
import type { Graph, Value } from "../engine/graph.ts";
import type { Parameter } from "../engine/parameter.ts";
import { hasAttention, type Step } from "../schedule/schedule.ts";
import type { ModelConfig } from "./config.ts";
import { present } from "./family.ts";

export interface Recurrence {
  /** The loop begins where this block is played. */
  readonly block: number;
}

const NAME = "model.recurrence.";

export const isRecurrent = ({ name }: Parameter): boolean => name.startsWith(NAME);

function parameters({ hiddenSize: D }: ModelConfig) {
  // Rows of a table: what is looked up, and so gets its gradient, by every position.
  const row = (name: string): Parameter => ({
    name: NAME + name,
    kind: "matrix",
    rows: 1,
    columns: D,
    part: "positions",
  });
  return {
    norm: { name: `${NAME}norm.weight`, kind: "vector", rows: 1, columns: D, part: "norm" } satisfies Parameter,
    b: { name: `${NAME}B.weight`, kind: "matrix", rows: D, columns: D, part: "projection" } satisfies Parameter, // [D, D]
    aLog: row("A_log"), // [1, D]
    dt: row("dt"), // [1, D]
  };
}

export const recurrenceParameters = (config: ModelConfig): readonly Parameter[] =>
  config.recurrence === undefined ? [] : present(parameters(config));

/** First values, where they are not those of any norm: B the identity; A = 1 and Δ = ln 2, so that half of h is forgotten. */
export function initialRecurrence({ name, rows, columns }: Parameter): Float32Array {
  const values = new Float32Array(rows * columns);
  if (name === `${NAME}norm.weight`) return values.fill(1);
  if (name === `${NAME}B.weight`) for (let i = 0; i < rows; i++) values[i * columns + i] = 1;
  return values;
}

/** What becomes of the residual stream before each step, played in their order. */
export function recurrent(g: Graph, config: ModelConfig): (step: Step, x: Value) => Value {
  const { recurrence } = config;
  let told: Value | undefined;
  let kept: Value | undefined;
  return (step, x) => {
    if (step.block !== recurrence?.block || !hasAttention(step)) return x;
    if (told === undefined) {
      const p = parameters(config);
      const delta = g.softplus(g.embed(p.dt, "first"));
      const rate = g.multiply(delta, g.exp(g.embed(p.aLog, "first")));
      kept = g.exp(g.scale(rate, -1));
      told = g.multiply(delta, g.linear(g.rmsNorm(x, p.norm, config.normEpsilon), p.b));
      return told;
    }
    return g.add(g.multiply(kept!, x), told);
  };
}
