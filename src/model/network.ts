/** A schedule of a model as a graph: embed, play the steps, take the tail, project. */
import { Graph, type RopeTable } from "../engine/graph.ts";
import type { Parameter } from "../engine/parameter.ts";
import { hasAttention, hasFfn, type Steps } from "../schedule/schedule.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";

export interface NetworkOptions {
  /** Cosines and sines for every position of the context. */
  readonly table: RopeTable;
  /** End in the cross-entropy of the tail's rows instead of their logits. */
  readonly loss?: boolean;
  /** Keep the residual stream before every step and after the last, as outputs `hidden 0` … `hidden n`. */
  readonly hidden?: boolean;
}

export function network(config: ModelConfig, steps: Steps, options: NetworkOptions): Graph {
  const family = familyOf(config);
  const g = new Graph();
  let x = family.embed(g, config);
  steps.forEach((step, i) => {
    if (options.hidden) g.output(hiddenName(i), x);
    if (hasAttention(step)) x = family.attention(g, x, config, step.block, options.table);
    if (hasFfn(step)) x = family.ffn(g, x, config, step.block);
  });
  if (options.hidden) g.output(hiddenName(steps.length), x);
  const logits = family.head(g, g.tail(x), config);
  if (options.loss) g.output("loss", g.crossEntropy(logits));
  else g.output("logits", logits);
  return g;
}

export const hiddenName = (step: number): string => `hidden ${step}`;

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
  ];
}
