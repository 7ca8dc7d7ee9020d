/**
 * The graph: a forward pass, recorded as a list of typed operations over values.
 *
 * A value is a matrix of run-time rows by a fixed width. Every operation makes a new value and changes none (the plan
 * decides what may share memory), so a reverse pass is another list of operations over the same values: graph in,
 * graph out. The one thing with a memory of its own is attention: each call owns a cache slot, so a block that is played
 * twice gets two slots. Keyed by block instead, the second play would overwrite the keys of the first.
 */
import { type BackwardOperation, backwardOperands, backwardParameters, isBackward } from "./backward/operations.ts";
import type { Parameter } from "./parameter.ts";

/** Rows of a value: every token of the play, the tail of them that the output needs, or a number that no play changes. */
export type Rows = "all" | "tail" | number;

/** Cosines and sines of the rotary embedding, each [positions, headWidth / 2]. */
export interface RopeTable {
  readonly cosines: Float32Array;
  readonly sines: Float32Array;
}

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  /** How many positions a token sees, itself included; absent: all before it. */
  readonly window?: number;
  /** A token sees every row of its sequence, those behind it too: the play must hold the sequence whole. */
  readonly bidirectional?: boolean;
}

/** The rows of a table that are taken: those that the tokens name, or their positions, or for each token the first row. */
export type Indices = "tokens" | "positions" | "first";

/** What a forward pass is made of. */
export type ForwardOperation =
  /** Handed in from outside before each play. */
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "embed"; readonly table: Parameter; readonly indices: Indices }
  | { readonly kind: "linear"; readonly x: Value; readonly weight: Parameter; readonly bias: Parameter | undefined }
  | { readonly kind: "rmsNorm"; readonly x: Value; readonly weight: Parameter; readonly epsilon: number }
  | {
      readonly kind: "headNorm";
      readonly x: Value;
      readonly weight: Parameter;
      readonly epsilon: number;
      readonly heads: number;
    }
  | {
      readonly kind: "layerNorm";
      readonly x: Value;
      readonly weight: Parameter;
      readonly bias: Parameter;
      readonly epsilon: number;
    }
  | {
      readonly kind: "rope";
      readonly x: Value;
      readonly heads: number;
      readonly headWidth: number;
      readonly table: RopeTable;
    }
  | {
      readonly kind: "attention";
      readonly q: Value;
      readonly k: Value;
      readonly v: Value;
      readonly shape: AttentionShape;
      readonly slot: number;
    }
  | { readonly kind: "add"; readonly a: Value; readonly b: Value }
  | { readonly kind: "swiglu"; readonly a: Value; readonly b: Value }
  | { readonly kind: "gelu"; readonly a: Value }
  | { readonly kind: "geluExact"; readonly a: Value }
  | { readonly kind: "relu"; readonly a: Value }
  | { readonly kind: "multiply"; readonly a: Value; readonly b: Value }
  | { readonly kind: "exp"; readonly a: Value }
  | { readonly kind: "softplus"; readonly a: Value }
  | { readonly kind: "scale"; readonly a: Value; readonly factor: number }
  | { readonly kind: "columns"; readonly x: Value; readonly first: number }
  | { readonly kind: "tail"; readonly x: Value }
  | { readonly kind: "crossEntropy"; readonly logits: Value }
  | { readonly kind: "distill"; readonly student: Value; readonly teacher: Value; readonly temperature: number }
  | { readonly kind: "meanSquares"; readonly x: Value; readonly teacher: Value }
  | { readonly kind: "mean"; readonly losses: Value; readonly weight: number; readonly plus: Value | undefined };

export type Operation = ForwardOperation | BackwardOperation;

export interface Value {
  readonly id: number;
  readonly rows: Rows;
  /** Columns, without padding. */
  readonly width: number;
  readonly operation: Operation;
}

/** The values that an operation reads. */
export function operands(operation: Operation): readonly Value[] {
  if (isBackward(operation)) return backwardOperands(operation);
  switch (operation.kind) {
    case "input":
    case "embed":
      return [];
    case "attention":
      return [operation.q, operation.k, operation.v];
    case "add":
    case "swiglu":
    case "multiply":
      return [operation.a, operation.b];
    case "gelu":
    case "geluExact":
    case "relu":
    case "exp":
    case "softplus":
    case "scale":
      return [operation.a];
    case "crossEntropy":
      return [operation.logits];
    case "distill":
      return [operation.student, operation.teacher];
    case "meanSquares":
      return [operation.x, operation.teacher];
    case "mean":
      return operation.plus ? [operation.losses, operation.plus] : [operation.losses];
    default:
      return [operation.x];
  }
}

/** The parameters that an operation reads. */
export function parametersOf(operation: Operation): readonly Parameter[] {
  if (isBackward(operation)) return backwardParameters(operation);
  switch (operation.kind) {
    case "embed":
      return [operation.table];
    case "linear":
      return operation.bias ? [operation.weight, operation.bias] : [operation.weight];
    case "layerNorm":
      return [operation.weight, operation.bias];
    case "rmsNorm":
    case "headNorm":
      return [operation.weight];
    default:
      return [];
  }
}

export class Graph {
  /** In the order in which they were recorded, which is an order in which they can be computed. */
  readonly values: Value[] = [];
  /** Values that the caller wants to read after a play. */
  readonly outputs = new Map<string, Value>();
  /** Attention shapes by cache slot, one for each played attention. */
  readonly slots: AttentionShape[] = [];
  private readonly oneSlot: boolean;

  /**
   * With `oneSlot`, attentions of one shape share a cache slot. For graphs that are always played from position 0, as in
   * training: each attention then finds in the slot what it has itself just written, and nothing that must outlive it.
   */
  constructor(options: { readonly oneSlot?: boolean } = {}) {
    this.oneSlot = options.oneSlot ?? false;
  }

  /** Records any operation; the methods below, and the backward rules, know its width and rows. */
  record(operation: Operation, width: number, rows: Rows): Value {
    for (const value of operands(operation)) {
      if (this.values[value.id] !== value) throw new Error(`${operation.kind}: value ${value.id} is of another graph`);
    }
    const value = { id: this.values.length, rows, width, operation };
    this.values.push(value);
    return value;
  }

  private expectWidth(operation: string, value: Value, width: number): void {
    if (value.width !== width) throw new Error(`${operation}: expected width ${width}, got ${value.width}`);
  }

  /** [rows, width]: what the caller writes before a play, by a name of its own. */
  input(name: string, width: number): Value {
    return this.record({ kind: "input", name }, width, "all");
  }

  /** [rows, table.columns]: rows of `table`. */
  embed(table: Parameter, indices: Indices = "tokens"): Value {
    return this.record({ kind: "embed", table, indices }, table.columns, "all");
  }

  /** [rows, weight.rows] = x Wᵀ + bias. */
  linear(x: Value, weight: Parameter, bias?: Parameter): Value {
    this.expectWidth(weight.name, x, weight.columns);
    return this.record({ kind: "linear", x, weight, bias }, weight.rows, x.rows);
  }

  rmsNorm(x: Value, weight: Parameter, epsilon: number): Value {
    this.expectWidth(weight.name, x, weight.columns);
    return this.record({ kind: "rmsNorm", x, weight, epsilon }, x.width, x.rows);
  }

  /** RMS norm of each head of a row by itself. */
  headNorm(x: Value, weight: Parameter, heads: number, epsilon: number): Value {
    this.expectWidth(weight.name, x, weight.columns * heads);
    return this.record({ kind: "headNorm", x, weight, heads, epsilon }, x.width, x.rows);
  }

  layerNorm(x: Value, weight: Parameter, bias: Parameter, epsilon: number): Value {
    this.expectWidth(weight.name, x, weight.columns);
    return this.record({ kind: "layerNorm", x, weight, bias, epsilon }, x.width, x.rows);
  }

  /** Turns each pair (column i, column i + headWidth / 2) of each head by its position's angle. */
  rope(x: Value, heads: number, headWidth: number, table: RopeTable): Value {
    this.expectWidth("rope", x, heads * headWidth);
    return this.record({ kind: "rope", x, heads, headWidth, table }, x.width, x.rows);
  }

  /** Attention, causal if not `bidirectional`; appends k and v to a cache slot of its own and reads the whole slot. [rows, heads · headWidth]. */
  attention(q: Value, k: Value, v: Value, shape: AttentionShape): Value {
    this.expectWidth("attention query", q, shape.heads * shape.headWidth);
    this.expectWidth("attention key", k, shape.kvHeads * shape.headWidth);
    this.expectWidth("attention value", v, shape.kvHeads * shape.headWidth);
    if (shape.heads % shape.kvHeads !== 0)
      throw new Error(`attention: ${shape.heads} heads of ${shape.kvHeads} groups`);
    if (shape.bidirectional && shape.window !== undefined) throw new Error("attention: a window is causal");
    const same = this.oneSlot ? this.slots.findIndex((other) => sameCache(other, shape)) : -1;
    const slot = same >= 0 ? same : this.slots.push(shape) - 1;
    return this.record({ kind: "attention", q, k, v, shape, slot }, q.width, q.rows);
  }

  add(a: Value, b: Value): Value {
    this.expectWidth("add", b, a.width);
    return this.record({ kind: "add", a, b }, a.width, a.rows);
  }

  /** silu(gate) · up. */
  swiglu(gate: Value, up: Value): Value {
    this.expectWidth("swiglu", up, gate.width);
    return this.record({ kind: "swiglu", a: gate, b: up }, gate.width, gate.rows);
  }

  /** GELU, tanh form. */
  gelu(x: Value): Value {
    return this.record({ kind: "gelu", a: x }, x.width, x.rows);
  }

  /** GELU itself: x · Φ(x), the normal distribution's. */
  geluExact(x: Value): Value {
    return this.record({ kind: "geluExact", a: x }, x.width, x.rows);
  }

  /** max(0, x). */
  relu(x: Value): Value {
    return this.record({ kind: "relu", a: x }, x.width, x.rows);
  }

  /** a ∘ b. */
  multiply(a: Value, b: Value): Value {
    this.expectWidth("multiply", b, a.width);
    return this.record({ kind: "multiply", a, b }, a.width, a.rows);
  }

  /** e^x. */
  exp(x: Value): Value {
    return this.record({ kind: "exp", a: x }, x.width, x.rows);
  }

  /** log(1 + e^x). */
  softplus(x: Value): Value {
    return this.record({ kind: "softplus", a: x }, x.width, x.rows);
  }

  /** factor · x. */
  scale(x: Value, factor: number): Value {
    return this.record({ kind: "scale", a: x, factor }, x.width, x.rows);
  }

  /** Columns [first, first + width). */
  columns(x: Value, first: number, width: number): Value {
    if (first + width > x.width) throw new Error(`columns: ${first} + ${width} of ${x.width}`);
    return this.record({ kind: "columns", x, first }, width, x.rows);
  }

  /** The last rows, from a run-time first row on. */
  tail(x: Value): Value {
    return this.record({ kind: "tail", x }, x.width, "tail");
  }

  /** [rows, 1]: -log softmax(logits)[target], in nats; 0 where the target is negative. */
  crossEntropy(logits: Value): Value {
    return this.record({ kind: "crossEntropy", logits }, 1, logits.rows);
  }

  /**
   * [rows, 1]: T² · KL(softmax(teacher / T) ‖ softmax(student / T)), in nats; 0 where the target is negative. T² keeps the
   * gradient as large at any temperature T (Hinton et al. 2015, arXiv 1503.02531, section 2). The teacher gets no gradient.
   */
  distill(student: Value, teacher: Value, temperature: number): Value {
    this.expectWidth("distill", teacher, student.width);
    return this.record({ kind: "distill", student, teacher, temperature }, 1, student.rows);
  }

  /** [rows, 1]: the mean of (x - teacher)² over a row; 0 where the target is negative. The teacher gets no gradient. */
  meanSquares(x: Value, teacher: Value): Value {
    this.expectWidth("meanSquares", teacher, x.width);
    return this.record({ kind: "meanSquares", x, teacher }, 1, x.rows);
  }

  /** [1, 1]: `weight` times the mean loss of the rows whose target is not negative (0 if there is none), + plus. */
  mean(losses: Value, weight = 1, plus?: Value): Value {
    return this.record({ kind: "mean", losses, weight, plus }, 1, 1);
  }

  output(name: string, value: Value): void {
    this.outputs.set(name, value);
  }
}

const sameCache = (a: AttentionShape, b: AttentionShape): boolean =>
  a.heads === b.heads && a.kvHeads === b.kvHeads && a.headWidth === b.headWidth;
