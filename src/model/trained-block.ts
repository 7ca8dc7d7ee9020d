/** Weights that were trained in memory, in place of those of a checkpoint or as a block behind them. */
import type { Parameter } from "../engine/parameter.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type ComputedTensor, computed } from "../weights/computed-tensor.ts";
import { type EditedCheckpoint, editedCheckpoint } from "../weights/edited-checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { findTensor } from "./load-weights.ts";
import { extendedConfig } from "./mix-blocks.ts";

/**
 * `checkpoint` with block config.blocks made of `values`, by parameter name, row-major [rows, columns]. It stands where block
 * `like` stood; its tensors are F32 where those are, otherwise F16.
 */
export function withTrainedBlock(
  checkpoint: Checkpoint,
  config: ModelConfig,
  values: ReadonlyMap<string, Float32Array>,
  like: number,
): EditedCheckpoint {
  const family = familyOf(config);
  const tensors = new Map<string, ComputedTensor>();
  for (const parameter of family.block(config, config.blocks)) {
    const { name } = parameter;
    const source = findTensor(checkpoint, { ...parameter, name: family.rename(name, config.blocks, like) });
    const type = source.type === "F32" ? "F32" : "F16";
    tensors.set(name, trainedTensor(parameter, values.get(name)!, type));
  }
  return editedCheckpoint(checkpoint, { tensors, config: extendedConfig(checkpoint.config, config, [like]) });
}

/** `checkpoint` with `values` in place of the weights of these names; F32 where those were, otherwise F16. */
export function withTrainedWeights(
  checkpoint: Checkpoint,
  parameters: readonly Parameter[],
  values: ReadonlyMap<string, Float32Array>,
): EditedCheckpoint {
  const tensors = new Map<string, ComputedTensor>();
  for (const parameter of parameters) {
    const type = findTensor(checkpoint, parameter).type === "F32" ? "F32" : "F16";
    tensors.set(parameter.name, trainedTensor(parameter, values.get(parameter.name)!, type));
  }
  return editedCheckpoint(checkpoint, { tensors });
}

/** As a Hugging Face file holds it. */
function trainedTensor(parameter: Parameter, values: Float32Array, type: "F32" | "F16"): ComputedTensor {
  const { name, kind, rows, columns, transposed = false } = parameter;
  const shape = kind === "vector" ? [columns] : transposed ? [columns, rows] : [rows, columns];
  return computed(name, {}, type, shape, async (first, count) => {
    if (!transposed || kind === "vector") return values.slice(first * columns, (first + count) * columns);
    return Float32Array.from(
      { length: count * rows },
      (_, i) => values[(i % rows) * columns + first + Math.floor(i / rows)]!,
    );
  });
}
