/** A block whose weights were trained in memory, put behind those of a checkpoint. */
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
    const { name, kind, rows, columns, transposed = false } = parameter;
    const source = findTensor(checkpoint, { ...parameter, name: family.rename(name, config.blocks, like) });
    const type = source.type === "F32" ? "F32" : "F16";
    const own = values.get(name)!;
    const shape = kind === "vector" ? [columns] : transposed ? [columns, rows] : [rows, columns];
    const read = async (first: number, count: number): Promise<Float32Array> => {
      if (!transposed || kind === "vector") return own.slice(first * columns, (first + count) * columns);
      return Float32Array.from(
        { length: count * rows },
        (_, i) => own[(i % rows) * columns + first + Math.floor(i / rows)]!,
      );
    };
    tensors.set(name, computed(name, {}, type, shape, read));
  }
  return editedCheckpoint(checkpoint, { tensors, config: extendedConfig(checkpoint.config, config, [like]) });
}
