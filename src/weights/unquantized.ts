/** A checkpoint as saving it would leave it: what is quantized is F16, all else as it is. */
import type { Checkpoint } from "./checkpoint.ts";
import { computed, storedRows } from "./computed-tensor.ts";
import { type EditedCheckpoint, editedCheckpoint } from "./edited-checkpoint.ts";

export function unquantized(checkpoint: Checkpoint): EditedCheckpoint {
  const quantized = [...checkpoint.tensors.values()].filter(({ type }) => !["F32", "F16", "BF16"].includes(type));
  const tensors = quantized.map((tensor) => {
    const rows = (first: number, count: number) => storedRows(checkpoint, tensor, first, count);
    return [tensor.name, computed(tensor.name, tensor, "F16", tensor.shape, rows)] as const;
  });
  return editedCheckpoint(checkpoint, { tensors: new Map(tensors) });
}
