/** Small graphs with random parameters, for the tests of the backward pass. */
import { gradientName } from "./autodiff.ts";
import { type AttentionShape, Graph, type RopeTable, type Value } from "./graph.ts";
import type { Parameter } from "./parameter.ts";
import { ReferencePlayer } from "./reference.ts";

/** Entries of the tables that tokens name. */
export const VOCAB = 19;
/** Positions that sequences may have. */
const POSITIONS = 80;

/** Uniform in [-1, 1), the same for the same seed. */
export function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

export const matrix = (name: string, rows: number, columns: number): Parameter => ({
  name,
  kind: "matrix",
  rows,
  columns,
  part: "ffn",
});
export const vector = (name: string, columns: number): Parameter => ({
  name,
  kind: "vector",
  rows: 1,
  columns,
  part: "norm",
});

/** Angles that are no multiples of each other. */
export function rope(headWidth: number): RopeTable {
  const angles = Float32Array.from({ length: (POSITIONS * headWidth) / 2 }, (_, i) => (i * 7) % 11);
  return { cosines: angles.map(Math.cos), sines: angles.map(Math.sin) };
}

export interface Sizes {
  readonly width: number;
  readonly ffn: number;
  readonly headWidth: number;
  readonly kvHeads: number;
  readonly group: number;
  readonly window: number | undefined;
}

/** What becomes of rows [tokens, width]; one for each rule. */
export const subjects: Readonly<Record<string, (g: Graph, x: Value, sizes: Sizes) => Value>> = {
  linear: (g, x, { ffn }) => g.linear(x, matrix("w", ffn, x.width), vector("b", ffn)),
  "linear without bias": (g, x, { ffn }) => g.linear(x, matrix("w", ffn, x.width)),
  rmsNorm: (g, x) => g.rmsNorm(x, vector("norm", x.width), 1e-3),
  layerNorm: (g, x) => g.layerNorm(x, vector("norm", x.width), vector("norm bias", x.width), 1e-3),
  headNorm: (g, x, { headWidth, kvHeads }) =>
    g.headNorm(g.linear(x, matrix("w", kvHeads * headWidth, x.width)), vector("norm", headWidth), kvHeads, 1e-3),
  rope: (g, x, { headWidth, kvHeads }) =>
    g.rope(g.linear(x, matrix("w", kvHeads * headWidth, x.width)), kvHeads, headWidth, rope(headWidth)),
  attention: (g, x, { headWidth, kvHeads, group, window }) => {
    const heads = kvHeads * group;
    const rows = (name: string, n: number) => g.linear(x, matrix(name, n * headWidth, x.width));
    const shape: AttentionShape = { heads, kvHeads, headWidth, ...(window === undefined ? {} : { window }) };
    return g.attention(rows("q", heads), rows("k", kvHeads), rows("v", kvHeads), shape);
  },
  "rope and attention": (g, x, { headWidth, kvHeads, group }) => {
    const heads = kvHeads * group;
    const turned = (name: string, n: number) =>
      g.rope(g.linear(x, matrix(name, n * headWidth, x.width)), n, headWidth, rope(headWidth));
    const v = g.linear(x, matrix("v", kvHeads * headWidth, x.width));
    return g.attention(turned("q", heads), turned("k", kvHeads), v, { heads, kvHeads, headWidth });
  },
  swiglu: (g, x, { ffn }) =>
    g.swiglu(g.linear(x, matrix("gate", ffn, x.width)), g.linear(x, matrix("up", ffn, x.width))),
  "attention in both directions": (g, x, { headWidth, kvHeads, group }) => {
    const heads = kvHeads * group;
    const rows = (name: string, n: number) => g.linear(x, matrix(name, n * headWidth, x.width));
    const shape: AttentionShape = { heads, kvHeads, headWidth, bidirectional: true };
    return g.attention(rows("q", heads), rows("k", kvHeads), rows("v", kvHeads), shape);
  },
  gelu: (g, x, { ffn }) => g.gelu(g.linear(x, matrix("w", ffn, x.width))),
  geluExact: (g, x, { ffn }) => g.geluExact(g.linear(x, matrix("w", ffn, x.width))),
  relu: (g, x, { ffn }) => g.relu(g.linear(x, matrix("w", ffn, x.width))),
  "first row": (g, x) => g.add(x, g.embed(matrix("types", 3, x.width), "first")),
  add: (g, x) => g.add(g.add(x, g.embed(matrix("positions", POSITIONS, x.width), "positions")), x),
  "x + W x": (g, x) => g.add(x, g.linear(x, matrix("w", x.width, x.width))),
  columns: (g, x) => {
    const half = Math.ceil(x.width / 2);
    return g.add(g.columns(x, 0, half), g.columns(x, x.width - half, half));
  },
  multiply: (g, x, { ffn }) =>
    g.multiply(g.linear(x, matrix("a", ffn, x.width)), g.linear(x, matrix("b", ffn, x.width))),
  "x ∘ x": (g, x) => g.multiply(x, x),
  exp: (g, x, { ffn }) => g.exp(g.linear(x, matrix("w", ffn, x.width))),
  softplus: (g, x, { ffn }) => g.softplus(g.linear(x, matrix("w", ffn, x.width))),
  scale: (g, x) => g.scale(g.linear(x, matrix("w", x.width, x.width)), -1.75),
  "a weight used twice": (g, x) => {
    const w = matrix("w", x.width, x.width);
    return g.linear(g.gelu(g.linear(x, w)), w);
  },
};

/** What logits, and the rows that they are made of, end in; `teacher` gives frozen rows as wide as a value. */
const losses: Readonly<Record<string, (g: Graph, logits: Value, x: Value, teacher: (of: Value) => Value) => Value>> = {
  "cross-entropy": (g, logits) => g.mean(g.crossEntropy(logits)),
  distill: (g, logits, _, teacher) => g.mean(g.distill(logits, teacher(logits), 1)),
  meanSquares: (g, logits, _, teacher) => g.mean(g.meanSquares(logits, teacher(logits)), 2.5),
  "three losses": (g, logits, x, teacher) => {
    const hidden = g.mean(g.meanSquares(x, teacher(x)), 0.3);
    return g.mean(g.distill(logits, teacher(logits), 2.5), 0.7, g.mean(g.crossEntropy(logits), 1.5, hidden));
  },
};

/** Rules that are tested, those of losses included. */
export const ruleNames: readonly string[] = [...Object.keys(subjects), ...Object.keys(losses).slice(1)];

interface SubjectGraph {
  readonly graph: Graph;
  readonly loss: Value;
  /** Parameters of a teacher. */
  readonly frozen: readonly Parameter[];
}

/**
 * A graph: embeddings, one subject, the tail, and a projection to the vocabulary; tied where the widths allow it. Where `name` is
 * a loss, it is what the graph ends in.
 */
export function subjectGraph(name: string, sizes: Sizes): SubjectGraph {
  const graph = new Graph({ oneSlot: true });
  const table = matrix("table", VOCAB, sizes.width);
  const embedded = graph.embed(table);
  const y = subjects[name]?.(graph, embedded, sizes) ?? embedded;
  const head = y.width === table.columns ? table : matrix("head", VOCAB, y.width);
  const x = graph.tail(y);
  const logits = graph.linear(x, head);
  const end = losses[name] ?? losses["cross-entropy"]!;
  const frozen: Parameter[] = [];
  const teacher = (of: Value): Value => {
    const table = matrix(`teacher ${frozen.length}`, VOCAB, of.width);
    frozen.push(table);
    return graph.tail(graph.embed(table));
  };
  const loss = end(graph, logits, x, teacher);
  graph.output("loss", loss);
  return { graph, loss, frozen };
}

export interface Played {
  readonly tokens: readonly number[];
  readonly targets: readonly number[];
  readonly tail: number;
}

/** Tokens, and targets of the rows from `tail` on, the second of which is ignored where there are more. */
export function played(count: number, tail: number, random: () => number): Played {
  const token = () => Math.floor(((random() + 1) / 2) * VOCAB);
  const tokens = Array.from({ length: count }, token);
  return { tokens, targets: tokens.slice(tail).map((_, m) => (m === 1 ? -1 : token())), tail };
}

/** Random values of every parameter of the graph. */
export function randomValues(parameters: readonly Parameter[], random: () => number): Map<string, Float32Array> {
  return new Map(
    parameters.map((p) => {
      const [offset, scale] = p.part === "norm" ? [1, 0.5] : [0, 1.5 / Math.sqrt(p.columns)];
      return [p.name, Float32Array.from({ length: p.rows * p.columns }, () => offset + scale * random())];
    }),
  );
}

/** Gradients in float64 by the reference player, row-major without padding, and `loss`. */
export function referenceGradients(
  graph: Graph,
  parameters: readonly Parameter[],
  values: ReadonlyMap<string, ArrayLike<number>>,
  input: Played,
): Map<string, number[]> {
  const player = new ReferencePlayer(graph, (parameter) => values.get(parameter.name)!);
  const all = player.play(input);
  const flat = (output: string) => player.output(all, output).flatMap((row) => [...row]);
  return new Map([...parameters.map((p) => [p.name, flat(gradientName(p))] as const), ["loss", flat("loss")]]);
}

export function referenceLoss(graph: Graph, values: ReadonlyMap<string, ArrayLike<number>>, input: Played): number {
  const player = new ReferencePlayer(graph, (parameter) => values.get(parameter.name)!);
  return player.output(player.play(input), "loss")[0]![0]!;
}

/** How near to its bend a ReLU of the graph comes; infinite where there is none. There a slope of differences says nothing. */
export function leastBend(graph: Graph, values: ReadonlyMap<string, ArrayLike<number>>, input: Played): number {
  const bends = graph.values.flatMap(({ operation }) => (operation.kind === "relu" ? [operation.a] : []));
  if (bends.length === 0) return Number.POSITIVE_INFINITY;
  for (const [i, value] of bends.entries()) graph.output(`bend ${i}`, value);
  const player = new ReferencePlayer(graph, (parameter) => values.get(parameter.name)!);
  const played = player.play(input);
  const numbers = bends.flatMap((_, i) => player.output(played, `bend ${i}`).flatMap((row) => [...row]));
  return numbers.reduce((least, value) => Math.min(least, Math.abs(value)), Number.POSITIVE_INFINITY);
}
