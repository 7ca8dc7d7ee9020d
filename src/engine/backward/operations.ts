/**
 * The operations that only a backward pass records. What the forward ones can do they do: the gradient of `rope` is `rope`
 * with the angles negated, that of SwiGLU's second operand is SwiGLU, sums are `add`.
 *
 * `dy` is the gradient of the loss with respect to what the forward operation made, as many rows and columns. `plus`, where
 * there is one, is added to the result: what other readers of the same value or parameter gave. A parameter's gradient has the
 * parameter's own rows, whatever is played, and lies in memory as its f32 weights do; it begins with `gradientSum`.
 */
import type { AttentionShape, Indices, Value } from "../graph.ts";
import type { Parameter } from "../parameter.ts";

export type BackwardOperation =
  /** [parameter.rows, parameter.columns]: the gradient that earlier plays have added up; the sums of this one go on from it. */
  | { readonly kind: "gradientSum"; readonly parameter: Parameter }
  /** [rows, weight.columns] = dy W + plus. */
  | {
      readonly kind: "linearInput";
      readonly dy: Value;
      readonly weight: Parameter;
      readonly plus: Value | undefined;
    }
  /** [dy.width, x.width] = dyᵀ x + plus. */
  | { readonly kind: "linearWeight"; readonly dy: Value; readonly x: Value; readonly plus: Value | undefined }
  /** [1, dy.width]: the sum of dy's rows + plus. */
  | { readonly kind: "sumRows"; readonly dy: Value; readonly plus: Value | undefined }
  /** [table.rows, table.columns]: rows of dy added up by the row of the table that they were taken from, + plus. */
  | {
      readonly kind: "embedTable";
      readonly dy: Value;
      readonly indices: Indices;
      readonly plus: Value | undefined;
    }
  | {
      readonly kind: "rmsNormInput";
      readonly dy: Value;
      readonly x: Value;
      readonly weight: Parameter;
      readonly epsilon: number;
      /** Parts of a row that are normalized each by itself. */
      readonly heads: number;
    }
  /** [1, x.width / heads] = Σ dy ∘ x / rms(x) + plus, over rows and heads. */
  | {
      readonly kind: "rmsNormWeight";
      readonly dy: Value;
      readonly x: Value;
      readonly epsilon: number;
      readonly heads: number;
      readonly plus: Value | undefined;
    }
  | {
      readonly kind: "layerNormInput";
      readonly dy: Value;
      readonly x: Value;
      readonly weight: Parameter;
      readonly epsilon: number;
    }
  | {
      readonly kind: "layerNormWeight";
      readonly dy: Value;
      readonly x: Value;
      readonly epsilon: number;
      readonly plus: Value | undefined;
    }
  /**
   * [rows, heads · headWidth + 2 · heads]: the gradient of q, then for each head log Σ e^score of the row and Σ p · dp, from
   * which `attentionKeysValues` makes the softmax again.
   */
  | {
      readonly kind: "attentionQueries";
      readonly dy: Value;
      readonly q: Value;
      readonly k: Value;
      readonly v: Value;
      readonly shape: AttentionShape;
    }
  /** [rows, 2 · kvHeads · headWidth]: the gradients of k and of v. */
  | {
      readonly kind: "attentionKeysValues";
      readonly dy: Value;
      readonly q: Value;
      readonly k: Value;
      readonly v: Value;
      readonly queries: Value;
      readonly shape: AttentionShape;
    }
  /** dy ∘ b ∘ silu'(a). */
  | { readonly kind: "swigluGate"; readonly dy: Value; readonly a: Value; readonly b: Value }
  /** dy ∘ gelu'(a). */
  | { readonly kind: "geluInput"; readonly dy: Value; readonly a: Value }
  | { readonly kind: "geluExactInput"; readonly dy: Value; readonly a: Value }
  /** dy where a > 0. */
  | { readonly kind: "reluInput"; readonly dy: Value; readonly a: Value }
  /** dy · σ(a). */
  | { readonly kind: "softplusInput"; readonly dy: Value; readonly a: Value }
  /** [rows, width]: dy in columns [first, first + dy.width), else nothing, + plus. */
  | { readonly kind: "columnsInput"; readonly dy: Value; readonly first: number; readonly plus: Value | undefined }
  /** All rows: dy in the tail's rows, zero before. */
  | { readonly kind: "tailInput"; readonly dy: Value }
  /** [rows, 1]: weight · the play's share / (rows that have a target), 0 for the others. */
  | { readonly kind: "meanInput"; readonly losses: Value; readonly weight: number }
  /** dy · (softmax(logits) - the target's one). */
  | { readonly kind: "crossEntropyInput"; readonly dy: Value; readonly logits: Value }
  /** dy · T · (softmax(student / T) - softmax(teacher / T)). */
  | {
      readonly kind: "distillInput";
      readonly dy: Value;
      readonly student: Value;
      readonly teacher: Value;
      readonly temperature: number;
    }
  /** dy · 2 / width · (x - teacher). */
  | { readonly kind: "meanSquaresInput"; readonly dy: Value; readonly x: Value; readonly teacher: Value };

export type BackwardKind = BackwardOperation["kind"];

/** The values that a backward operation reads. */
export function backwardOperands(op: BackwardOperation): readonly Value[] {
  const plus = "plus" in op && op.plus ? [op.plus] : [];
  switch (op.kind) {
    case "gradientSum":
      return [];
    case "linearInput":
    case "sumRows":
    case "embedTable":
    case "columnsInput":
    case "tailInput":
      return [op.dy, ...plus];
    case "linearWeight":
    case "rmsNormInput":
    case "rmsNormWeight":
    case "layerNormInput":
    case "layerNormWeight":
      return [op.dy, op.x, ...plus];
    case "attentionQueries":
      return [op.dy, op.q, op.k, op.v];
    case "attentionKeysValues":
      return [op.dy, op.q, op.k, op.v, op.queries];
    case "swigluGate":
      return [op.dy, op.a, op.b];
    case "geluInput":
    case "geluExactInput":
    case "reluInput":
    case "softplusInput":
      return [op.dy, op.a];
    case "meanInput":
      return [op.losses];
    case "crossEntropyInput":
      return [op.dy, op.logits];
    case "distillInput":
      return [op.dy, op.student, op.teacher];
    case "meanSquaresInput":
      return [op.dy, op.x, op.teacher];
  }
}

/** The parameters that a backward operation reads; a parameter whose gradient it makes is not among them. */
export function backwardParameters(op: BackwardOperation): readonly Parameter[] {
  return "weight" in op && typeof op.weight !== "number" ? [op.weight] : [];
}

const backwardKinds: ReadonlySet<string> = new Set<BackwardKind>([
  "gradientSum",
  "linearInput",
  "linearWeight",
  "sumRows",
  "embedTable",
  "rmsNormInput",
  "rmsNormWeight",
  "layerNormInput",
  "layerNormWeight",
  "attentionQueries",
  "attentionKeysValues",
  "swigluGate",
  "geluInput",
  "geluExactInput",
  "reluInput",
  "softplusInput",
  "columnsInput",
  "tailInput",
  "meanInput",
  "crossEntropyInput",
  "distillInput",
  "meanSquaresInput",
]);

export function isBackward(op: { readonly kind: string }): op is BackwardOperation {
  return backwardKinds.has(op.kind);
}
