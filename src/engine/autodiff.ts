/**
 * Reverse-mode differentiation, graph in and graph out: behind a forward pass that ends in a mean loss it records the
 * operations that compute the loss's gradient with respect to chosen parameters. Values are walked from the last to the
 * first; each has by then what all of its readers gave, and its rule (backward/, one file a subject) passes that on.
 *
 * A parameter's gradient grows by one term with every use of it: what a block gets that is played twice, or a table that is
 * also the output projection, is the sum over its uses without anybody asking for it. Where nothing trained lies behind a
 * value no gradient is recorded, so frozen parameters cost neither memory nor time of their own. Gradients go on from what
 * earlier plays have added up, until whoever uses them makes them zero: a batch may be larger than a play.
 *
 * Recomputation (Chen et al. 2016, arXiv 1604.06174): of the forward pass only the values in `keep` stay in memory for the
 * backward pass, which computes from them again what it reads.
 */
import { inputError } from "../errors.ts";
import * as attention from "./backward/attention.ts";
import * as elementwise from "./backward/elementwise.ts";
import * as linear from "./backward/linear.ts";
import { crossEntropy, distill, mean, meanSquares, terms } from "./backward/loss.ts";
import * as norm from "./backward/norm.ts";
import { isBackward } from "./backward/operations.ts";
import type { Rule, Tape } from "./backward/tape.ts";
import { type ForwardOperation, type Graph, operands, parametersOf, type RopeTable, type Value } from "./graph.ts";
import type { Parameter } from "./parameter.ts";

export interface DifferentiateOptions {
  /** Whether a parameter is trained. */
  readonly trained: (parameter: Parameter) => boolean;
  /**
   * Values of the forward pass that are kept for the backward pass, e.g. what each block is given; what lies between them
   * is computed again. Without it every value that the backward pass reads is kept.
   */
  readonly keep?: readonly Value[];
}

const rules: { readonly [Kind in Exclude<ForwardOperation["kind"], "input" | "mean">]: Rule<Kind> } = {
  ...attention,
  ...elementwise,
  ...linear,
  ...norm,
  crossEntropy,
  distill,
  meanSquares,
};

/** The output of the graph in which a parameter's gradient is found. */
export const gradientName = (parameter: Parameter): string => `gradient ${parameter.name}`;

/**
 * Records the backward pass of `loss`, the result of `Graph.mean` (or of several, each with the one before it as `plus`), and names the gradient of each trained parameter as an
 * output (`gradientName`). Returns these parameters. Throws an input error (`nothing-trained`) if the loss depends on none.
 */
export function differentiate(
  graph: Graph,
  loss: Value,
  { trained, keep }: DifferentiateOptions,
): readonly Parameter[] {
  const ends = terms(loss);
  const forward = graph.values.slice(0, loss.id);
  const wanted = new Set<Value>();
  for (const value of forward) {
    if (parametersOf(value.operation).some(trained) || operands(value.operation).some((x) => wanted.has(x))) {
      wanted.add(value);
    }
  }
  if (!ends.some(({ losses }) => wanted.has(losses))) {
    throw inputError(
      "nothing-trained",
      "none of the parameters that this model plays is trained",
      "Name a parameter that the schedule plays.",
    );
  }

  const gradients = new Map<Value, Value>();
  const sums = new Map<string, { readonly parameter: Parameter; readonly sum: Value }>();
  const tape: Tape = {
    graph,
    again: keep ? recomputing(graph, loss, keep) : (value) => value,
    wants: (value) => wanted.has(value),
    give(value, make) {
      if (wanted.has(value)) gradients.set(value, make(gradients.get(value)));
    },
    giveSum(value, make) {
      this.give(value, (plus) => (plus ? graph.add(plus, make()) : make()));
    },
    train(parameter, make) {
      if (!trained(parameter)) return;
      const before =
        sums.get(parameter.name)?.sum ??
        graph.record({ kind: "gradientSum", parameter }, parameter.columns, parameter.rows);
      sums.set(parameter.name, { parameter, sum: make(before) });
    },
    inverse: inverting(),
  };
  for (const end of ends) mean(tape, end);
  for (const value of forward.reverse()) {
    const dy = gradients.get(value);
    const { kind } = value.operation;
    if (!dy || isBackward(value.operation) || kind === "mean" || kind === "input") continue;
    // Each rule knows the operation of its own kind; the table's type says so, but not for a kind that is only known now.
    const rule = rules[value.operation.kind as keyof typeof rules] as Rule<ForwardOperation["kind"]>;
    rule(tape, value.operation, dy);
    gradients.delete(value);
  }
  for (const { parameter, sum } of sums.values()) graph.output(gradientName(parameter), sum);
  return [...sums.values()].map(({ parameter }) => parameter);
}

/** Copies of forward values, recorded when the backward pass first reads them; values in `keep` are their own copies. */
function recomputing(graph: Graph, loss: Value, keep: readonly Value[]): (value: Value) => Value {
  const copies = new Map<Value, Value>(keep.map((value) => [value, value]));
  // What comes after the last of them is read at once.
  const last = Math.max(...keep.map((value) => value.id), -1);
  const again = (value: Value): Value => {
    if ((value.id > last && value.id < loss.id) || value.operation.kind === "input") return value;
    let copy = copies.get(value);
    if (!copy) {
      copy = graph.record(withOperands(value.operation, again), value.width, value.rows);
      copies.set(value, copy);
    }
    return copy;
  };
  return again;
}

/** The same operation, its operands replaced. */
function withOperands(operation: ForwardOperation | Value["operation"], by: (value: Value) => Value) {
  const values = new Set<unknown>(operands(operation));
  const fields = Object.entries(operation).map(([name, field]) => [name, values.has(field) ? by(field) : field]);
  return Object.fromEntries(fields) as typeof operation;
}

/** Tables with the angles negated, one for each table. */
function inverting(): (table: RopeTable) => RopeTable {
  const inverses = new Map<RopeTable, RopeTable>();
  return (table) => {
    let inverse = inverses.get(table);
    if (!inverse) {
      inverse = inverseOf(table);
      inverses.set(table, inverse);
    }
    return inverse;
  };
}

/** Made when it is first asked for, as `table` may be. */
function inverseOf(table: RopeTable): RopeTable {
  let sines: Float32Array | undefined;
  return {
    get cosines() {
      return table.cosines;
    },
    get sines() {
      sines ??= table.sines.map((sine) => -sine);
      return sines;
    },
  };
}
