/** What learns in a healing, and the graph that it learns in, planned. */

import type { Parameter } from "../engine/parameter.ts";
import { nodeHost } from "../engine/wasm/node-host.ts";
import { inputError } from "../errors.ts";
import { type Adapter, adapterParameters, createAdapter } from "../model/adapter.ts";
import { parametersPlayed } from "../model/network.ts";
import { ropeTable } from "../model/rope.ts";
import { type Distillation, trainingNetwork } from "../model/training-network.ts";
import type { Model } from "../refrain.ts";
import type { HealSettings } from "./heal-options.ts";
import { matchBoundaries, type OpenTeacher } from "./heal-teacher.ts";
import { type LearnerPlan, planLearner, refuseLearnerIfTooLarge } from "./learner-plan.ts";

/** Memory up to which speed is preferred: everything is kept for the backward pass. */
const KEEP_BYTES = 2 ** 31;

export interface Student {
  readonly adapter: Adapter | undefined;
  /** The adapter's parameters, or the model's own. */
  readonly trained: readonly Parameter[];
}

export function studentOf({ config, steps }: Model, { healed }: HealSettings): Student {
  if (healed.kind === "lora") {
    const adapter = createAdapter(config, steps, { rank: healed.rank, modules: healed.modules });
    return { adapter, trained: adapterParameters(adapter) };
  }
  const blocks = new Set((healed.kind === "all" ? steps : steps.slice(-healed.count)).map(({ block }) => block));
  const played = parametersPlayed(config, steps);
  const head = played.some(({ part }) => part === "head") ? "head" : "embedding";
  const isTrained = (p: Parameter) =>
    p.block === undefined ? healed.kind === "all" || p.part === "norm" || p.part === head : blocks.has(p.block);
  return { adapter: undefined, trained: played.filter(isTrained) };
}

/** Plans the graph; where it does not fit, with activations that are computed again. Throws `too-large` where that does not either. */
export function planHealing(
  model: Model,
  settings: HealSettings,
  student: Student,
  teacher: OpenTeacher | undefined,
): LearnerPlan {
  const { config, steps } = model;
  const { player, store } = model.memory;
  const { sequences, length, crossEntropy } = settings;
  const names = new Set(student.trained.map(({ name }) => name));
  const table = ropeTable(config.rope, config.headWidth, length);
  const distillation = settings.teacher && teacher && distillationOf(model, settings, teacher);
  const planned = (recompute: boolean) =>
    planLearner(
      trainingNetwork(config, steps, {
        table,
        trained: ({ name }) => names.has(name),
        adapter: student.adapter,
        recompute,
        distillation: distillation && { ...distillation, crossEntropy },
      }).graph,
      {
        sequences,
        length,
        threads: player.threads,
        storage: (parameter) => teacher?.storage.get(parameter.name) ?? store.type(parameter),
      },
    );
  // The student's weights are in memory already.
  const available = nodeHost.availableMemory() + model.weightBytes;
  const whole = planned(false);
  if (whole.memory.total <= Math.min(available, KEEP_BYTES)) return whole;
  const recomputed = planned(true);
  refuseLearnerIfTooLarge(recomputed, available, "Ask for fewer --sequences, a shorter --length, or fewer --layers.");
  return recomputed;
}

function distillationOf(
  { config, steps }: Model,
  { teacher: told, length }: HealSettings,
  { config: theirs, steps: played, rename }: OpenTeacher,
): Omit<Distillation, "crossEntropy"> {
  const { temperature, weight, hidden } = told!;
  if (hidden !== 0 && theirs.hiddenSize !== config.hiddenSize) {
    throw inputError(
      "heal-options",
      `hidden states of ${theirs.hiddenSize} numbers cannot be compared with those of ${config.hiddenSize}`,
      "Leave --hidden out for this teacher.",
    );
  }
  const table = ropeTable(theirs.rope, theirs.headWidth, length);
  const boundaries = matchBoundaries(steps, played);
  return {
    teacher: { config: theirs, steps: played, table, rename },
    temperature,
    weight,
    ...(hidden !== 0 && { hidden: { weight: hidden, boundaries } }),
  };
}
