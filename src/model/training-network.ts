/**
 * A schedule of a model as a graph that is trained: the mean loss of a sequence that is played from position 0, as output `loss`,
 * and the gradients of the trained parameters (`gradientName`). Every row has a target; a negative one is ignored.
 *
 * With a teacher the same graph plays two models, and the loss is (Hinton et al. 2015, arXiv 1503.02531; the hidden states as
 * in Distil-Whisper's ablation, Gandhi et al. 2023, arXiv 2311.00430):
 *
 *   crossEntropy · CE(student, targets) + weight · T² KL(teacher / T ‖ student / T) + hidden · mean squares
 *
 * Blocks that both play stand in memory once. Only the student learns.
 */
import { differentiate } from "../engine/autodiff.ts";
import { Graph, type RopeTable, type Value } from "../engine/graph.ts";
import { renaming } from "../engine/graph-view.ts";
import type { Parameter } from "../engine/parameter.ts";
import type { Steps } from "../schedule/schedule.ts";
import type { Adapter } from "./adapter.ts";
import type { ModelConfig } from "./config.ts";
import { playHead, playSteps } from "./network.ts";

export interface TrainingNetworkOptions {
  /** Cosines and sines for every position of the longest sequence. */
  readonly table: RopeTable;
  readonly trained: (parameter: Parameter) => boolean;
  /** Keep only what each step is given, and compute the rest of a step again when the backward pass comes to it. */
  readonly recompute?: boolean;
  /** What the linear maps of the steps are adapted with; its parameters are trained if `trained` says so. */
  readonly adapter?: Adapter | undefined;
  readonly distillation?: Distillation | undefined;
}

export interface Distillation {
  readonly teacher: {
    readonly config: ModelConfig;
    readonly steps: Steps;
    readonly table: RopeTable;
    /** What the teacher's parameters are called; those that keep their names are the student's own. */
    readonly rename: (parameter: Parameter) => Parameter;
  };
  /** T. */
  readonly temperature: number;
  /** Of the divergence from the teacher. */
  readonly weight: number;
  /** Of the cross-entropy; 0 leaves it out. */
  readonly crossEntropy: number;
  /**
   * Boundaries of steps (0: before the first) at which the student's residual stream is to be the teacher's; the loss is the
   * mean of its squared differences over all of them.
   */
  readonly hidden?:
    | {
        readonly weight: number;
        readonly boundaries: readonly { readonly student: number; readonly teacher: number }[];
      }
    | undefined;
}

export interface TrainingNetwork {
  readonly graph: Graph;
  /** The parameters that have a gradient. */
  readonly trained: readonly Parameter[];
}

/** Throws an input error (`nothing-trained`) where the schedule plays no trained parameter. */
export function trainingNetwork(config: ModelConfig, steps: Steps, options: TrainingNetworkOptions): TrainingNetwork {
  const { trained, recompute = false, distillation } = options;
  const graph = new Graph({ oneSlot: true });
  const boundaries = playSteps(graph, config, steps, options);
  const logits = playHead(graph, config, boundaries.at(-1)!, options.adapter);
  const loss = distillation
    ? distillationLoss(graph, { logits, boundaries }, distillation, trained)
    : graph.mean(graph.crossEntropy(logits));
  graph.output("loss", loss);
  return { graph, trained: differentiate(graph, loss, { trained, ...(recompute && { keep: boundaries }) }) };
}

/** What a model makes of the tokens. */
interface Played {
  readonly logits: Value;
  /** The residual stream before every step and after the last. */
  readonly boundaries: readonly Value[];
}

/**
 * The student is recorded first: what it keeps for its backward pass is there anyway when the teacher is played, and the teacher's
 * values need not outlive the student's forward pass. The divergence is the last term, so that its gradient takes the place of
 * the teacher's logits.
 */
function distillationLoss(
  graph: Graph,
  student: Played,
  { teacher, temperature, weight, crossEntropy, hidden }: Distillation,
  trained: (parameter: Parameter) => boolean,
): Value {
  const view = renaming(graph, (parameter) => {
    const renamed = teacher.rename(parameter);
    if (trained(renamed)) throw new Error(`the teacher reads ${renamed.name}, which is trained`);
    return renamed;
  });
  const boundaries = playSteps(view, teacher.config, teacher.steps, teacher);
  let sum: Value | undefined;
  if (crossEntropy !== 0) sum = graph.mean(graph.crossEntropy(student.logits), crossEntropy);
  for (const at of hidden?.boundaries ?? []) {
    const squares = graph.meanSquares(student.boundaries[at.student]!, boundaries[at.teacher]!);
    sum = graph.mean(squares, hidden!.weight / hidden!.boundaries.length, sum);
  }
  const logits = playHead(view, teacher.config, boundaries.at(-1)!);
  return graph.mean(graph.distill(student.logits, logits, temperature), weight, sum);
}
