/** What a backward rule sees of the pass that it is part of. */
import type { ForwardOperation, Graph, RopeTable, Value } from "../graph.ts";
import type { Parameter } from "../parameter.ts";

export interface Tape {
  readonly graph: Graph;
  /** A value of the forward pass, to be read in the backward pass: itself, or its recomputed copy. */
  again(value: Value): Value;
  /** True where something that is trained lies behind the value, so that its gradient is wanted. */
  wants(value: Value): boolean;
  /** Gives the value its gradient, if it wants one; `make` adds `plus`, what its other readers gave. */
  give(value: Value, make: (plus: Value | undefined) => Value): void;
  /** The same for a gradient that knows no `plus`: an addition is recorded. */
  giveSum(value: Value, make: () => Value): void;
  /** Gives a parameter its gradient, if it is trained; `make` adds `plus`, what its other uses and earlier plays gave. */
  train(parameter: Parameter, make: (plus: Value) => Value): void;
  /** The table that turns back what `table` has turned. */
  inverse(table: RopeTable): RopeTable;
}

/** Records what the operands and parameters of an operation are to be given, where `dy` is the gradient of its result. */
export type Rule<Kind extends ForwardOperation["kind"]> = (
  tape: Tape,
  op: Extract<ForwardOperation, { readonly kind: Kind }>,
  dy: Value,
) => void;
