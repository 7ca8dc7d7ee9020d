/** A schedule of a model as a graph: embed, play the steps, take the tail, project. */
import { Graph, operands, type RopeTable, type Value } from "../engine/graph.ts";
import type { Parameter } from "../engine/parameter.ts";
import { hasAttention, hasFfn, type Steps } from "../schedule/schedule.ts";
import { type Adapter, adapterParameters, withAdapter } from "./adapter.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { recurrent } from "./recurrence.ts";
import { relaxedAdapter } from "./relaxed.ts";

export interface NetworkOptions {
  /** Cosines and sines for every position of the context. */
  readonly table: RopeTable;
  /** Besides their logits, the cross-entropy of the tail's rows. */
  readonly loss?: boolean;
  /** What the linear maps of the steps are adapted with. */
  readonly adapter?: Adapter | undefined;
  /** End in what the output projection reads, the state behind the final norm, and leave the projection out. */
  readonly state?: boolean;
  /** Keep the residual stream before every step and after the last, as outputs `hidden 0` … `hidden n`. */
  readonly hidden?: boolean;
}

export function network(config: ModelConfig, steps: Steps, options: NetworkOptions): Graph {
  // An encoder is always played from position 0.
  const g = new Graph({ oneSlot: config.bidirectional });
  const boundaries = playSteps(g, config, steps, options);
  if (options.hidden) for (const [i, x] of boundaries.entries()) g.output(hiddenName(i), x);
  const logits = playHead(g, config, g.tail(boundaries.at(-1)!), options.adapter);
  if (options.state) {
    const [state] = operands(logits.operation);
    g.values.pop();
    g.output("state", state!);
    return g;
  }
  g.output("logits", logits);
  if (options.loss) g.output("loss", g.crossEntropy(logits));
  return g;
}

/** Embeds the tokens and plays the steps; the residual stream before every step and after the last. */
export function playSteps(
  graph: Graph,
  config: ModelConfig,
  steps: Steps,
  { table, adapter }: Pick<NetworkOptions, "table" | "adapter">,
): readonly Value[] {
  const family = familyOf(config);
  const relaxed = relaxedAdapter(config, steps);
  const enter = recurrent(graph, config);
  let x = family.embed(graph, config);
  const boundaries = [x];
  for (const [i, step] of steps.entries()) {
    const g = withAdapter(withAdapter(graph, relaxed, i), adapter, i);
    x = enter(step, x);
    if (hasAttention(step)) x = family.attention(g, x, config, step.block, table);
    if (hasFfn(step)) x = family.ffn(g, x, config, step.block);
    boundaries.push(x);
  }
  return boundaries;
}

/** Residual stream → logits; an adapter of the output projection belongs to no step. */
export function playHead(g: Graph, config: ModelConfig, x: Value, adapter?: Adapter): Value {
  return familyOf(config).head(withAdapter(g, adapter, undefined), x, config);
}

export const hiddenName = (step: number): string => `hidden ${step}`;

/** What shared blocks of a relaxed model differ by; each is played once. */
export function relaxedParameters(config: ModelConfig, steps: Steps): readonly Parameter[] {
  const adapter = relaxedAdapter(config, steps);
  return adapter === undefined ? [] : adapterParameters(adapter);
}

/** The parameters that a schedule plays, each once: what must be loaded, and what is written when it is saved. */
export function parametersPlayed(config: ModelConfig, steps: Steps): readonly Parameter[] {
  const family = familyOf(config);
  const halves = new Set(
    steps.flatMap((step) => [
      ...(hasAttention(step) ? [`${step.block} attention`] : []),
      ...(hasFfn(step) ? [`${step.block} ffn`] : []),
    ]),
  );
  const blocks = [...new Set(steps.map((step) => step.block))].sort((a, b) => a - b);
  return [
    ...family.outer(config),
    ...blocks.flatMap((block) => family.block(config, block).filter((p) => halves.has(`${block} ${p.half}`))),
    ...relaxedParameters(config, steps),
  ];
}
