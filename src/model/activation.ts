/** The functions that stand alone between the two maps of a feed-forward, by the names that transformers gives them. */
import type { Graph, Value } from "../engine/graph.ts";

/** `gelu_new` is GELU's tanh form. */
export type Activation = "relu" | "gelu" | "gelu_new";

/** What stands between the maps of a feed-forward: one of these, or a gate. */
export type FeedForward = "swiglu" | Activation;

/** `gelu_pytorch_tanh` and `gelu_fast` are `gelu_new` to the last digits. Undefined where a name is none that is played. */
export function activationNamed(name: string): Activation | undefined {
  if (name === "gelu_pytorch_tanh" || name === "gelu_fast") return "gelu_new";
  return name === "relu" || name === "gelu" || name === "gelu_new" ? name : undefined;
}

export function activate(g: Graph, x: Value, name: FeedForward): Value {
  if (name === "swiglu") throw new Error("activate: a gate has two operands");
  if (name === "relu") return g.relu(x);
  return name === "gelu" ? g.geluExact(x) : g.gelu(x);
}
