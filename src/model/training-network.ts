/**
 * A schedule of a model as a graph that is trained: the mean loss of a sequence that is played from position 0, as output `loss`,
 * and the gradients of the trained parameters (`gradientName`). Every row has a target; a negative one is ignored.
 */
import { differentiate } from "../engine/autodiff.ts";
import { Graph, type RopeTable } from "../engine/graph.ts";
import type { Parameter } from "../engine/parameter.ts";
import type { Steps } from "../schedule/schedule.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { playSteps } from "./network.ts";

export interface TrainingNetworkOptions {
  /** Cosines and sines for every position of the longest sequence. */
  readonly table: RopeTable;
  readonly trained: (parameter: Parameter) => boolean;
  /** Keep only what each step is given, and compute the rest of a step again when the backward pass comes to it. */
  readonly recompute?: boolean;
}

export interface TrainingNetwork {
  readonly graph: Graph;
  /** The parameters that have a gradient. */
  readonly trained: readonly Parameter[];
}

/** Throws an input error (`nothing-trained`) where the schedule plays no trained parameter. */
export function trainingNetwork(config: ModelConfig, steps: Steps, options: TrainingNetworkOptions): TrainingNetwork {
  const { table, trained, recompute = false } = options;
  const graph = new Graph({ oneSlot: true });
  const boundaries = playSteps(graph, config, steps, table);
  const logits = familyOf(config).head(graph, boundaries.at(-1)!, config);
  const loss = graph.mean(graph.crossEntropy(logits));
  graph.output("loss", loss);
  return { graph, trained: differentiate(graph, loss, { trained, ...(recompute && { keep: boundaries }) }) };
}
