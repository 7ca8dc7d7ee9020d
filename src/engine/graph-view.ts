/**
 * A graph seen through other methods: what is recorded through the view goes to the same graph, in another form. A model family
 * knows nothing of it; this is how adapters come to its linear maps, and how a second model keeps its parameters apart.
 */
import type { Graph, Operation } from "./graph.ts";
import type { Parameter } from "./parameter.ts";

/** `methods` replace those of `graph`; they may call them. Views can be made of views. */
export function graphView(graph: Graph, methods: Partial<Pick<Graph, "linear" | "record">>): Graph {
  return Object.assign(Object.create(graph) as Graph, methods);
}

/** Whatever is recorded reads `rename(parameter)` instead of `parameter`. */
export function renaming(graph: Graph, rename: (parameter: Parameter) => Parameter): Graph {
  return graphView(graph, {
    record: (operation, width, rows) => graph.record(renamed(operation, rename), width, rows),
  });
}

/** Parameters stand in an operation under these names. */
const fields = ["weight", "bias", "table"] as const;

function renamed<O extends Operation>(operation: O, rename: (parameter: Parameter) => Parameter): O {
  const changed: Record<string, Parameter> = {};
  for (const field of fields) {
    const value = (operation as Partial<Record<string, unknown>>)[field];
    if (isParameter(value)) changed[field] = rename(value);
  }
  return { ...operation, ...changed };
}

const isParameter = (value: unknown): value is Parameter =>
  typeof value === "object" && value !== null && "name" in value && "kind" in value;
