/**
 * Tensors that are computed from those of a checkpoint when they are read, some rows at a time, so that an edited model
 * needs no more memory than a chunk. Sums are in float64 and rounded once.
 *
 * What is computed keeps the layout of what it is computed from (interleaved heads, transposed matrices): these are
 * elementwise or pick whole rows and columns. Not here: what a method does with them, and checkpoints (edited-checkpoint.ts).
 */
import { inputError } from "../errors.ts";
import type { Checkpoint, StoredTensor } from "./checkpoint.ts";
import { dequantize, storedRowBytes } from "./dequantize.ts";

/** A tensor that no file holds. */
export interface ComputedTensor extends StoredTensor {
  readonly type: "F32" | "F16";
  /** Rows [first, first + count) as f32, row-major; a vector is one row. */
  rows(first: number, count: number): Promise<Float32Array>;
}

/** One source of a sum. */
export interface Term {
  readonly tensor: StoredTensor;
  readonly weight: number;
}

/** Length of a tensor's rows; a vector is one. */
export const columnsOf = ({ shape }: StoredTensor): number => shape.at(-1)!;
export const rowsOf = ({ shape }: StoredTensor): number =>
  shape.slice(0, -1).reduce((product, dimension) => product * dimension, 1);

/** Rows of a stored tensor as f32, in the file's order. Several may be under way at once. */
export async function storedRows(
  checkpoint: Checkpoint,
  tensor: StoredTensor,
  first: number,
  count: number,
): Promise<Float32Array> {
  const columns = columnsOf(tensor);
  const rowBytes = storedRowBytes(checkpoint.path, tensor, columns);
  const stored = new Uint8Array(count * rowBytes);
  await checkpoint.readInto(tensor, first * rowBytes, stored);
  const values = new Float32Array(count * columns);
  dequantize(tensor.type, stored, values);
  return values;
}

/** Σ weight · tensor. F32 where a source is, otherwise F16. All must have one shape and layout. */
export function weightedSum(checkpoint: Checkpoint, name: string, terms: readonly Term[]): ComputedTensor {
  const like = sameLayout(
    checkpoint,
    terms.map(({ tensor }) => tensor),
  );
  const type = terms.some(({ tensor }) => tensor.type === "F32") ? "F32" : "F16";
  return computed(name, like, type, like.shape, async (first, count) => {
    const sum = new Float64Array(count * columnsOf(like));
    for (const { tensor, weight } of terms) {
      const values = await storedRows(checkpoint, tensor, first, count);
      for (let i = 0; i < sum.length; i++) sum[i]! += weight * values[i]!;
    }
    return Float32Array.from(sum);
  });
}

/**
 * Rows or columns of a stored tensor, in the order of `indices`, which ascend. Whole heads are to be picked where heads are
 * interleaved.
 */
export function pick(
  checkpoint: Checkpoint,
  tensor: StoredTensor,
  axis: "rows" | "columns",
  indices: readonly number[],
): ComputedTensor {
  const { name, shape, interleavedHeads } = tensor;
  const type = tensor.type === "F32" ? "F32" : "F16";
  const columns = columnsOf(tensor);
  if (axis === "columns") {
    return computed(name, tensor, type, [...shape.slice(0, -1), indices.length], async (first, count) => {
      const values = await storedRows(checkpoint, tensor, first, count);
      const picked = new Float32Array(count * indices.length);
      for (let row = 0; row < count; row++) {
        for (const [i, index] of indices.entries()) picked[row * indices.length + i] = values[row * columns + index]!;
      }
      return picked;
    });
  }
  const heads = interleavedHeads && (interleavedHeads * indices.length) / rowsOf(tensor);
  const like = heads === undefined ? tensor : { ...tensor, interleavedHeads: heads };
  return computed(name, like, type, [indices.length, columns], async (first, count) => {
    const picked = new Float32Array(count * columns);
    for (let at = 0, run = 1; at < count; at += run, run = 1) {
      while (at + run < count && indices[first + at + run] === indices[first + at]! + run) run++;
      picked.set(await storedRows(checkpoint, tensor, indices[first + at]!, run), at * columns);
    }
    return picked;
  });
}

/** A tensor of the layout of `like`, but of this type and shape. */
export function computed(
  name: string,
  like: Omit<StoredTensor, "name" | "storedName" | "type" | "shape" | "byteLength">,
  type: "F32" | "F16",
  shape: readonly number[],
  rows: ComputedTensor["rows"],
): ComputedTensor {
  const { interleavedHeads, transposed } = like;
  return {
    name,
    storedName: name,
    type,
    shape,
    byteLength: shape.reduce((product, dimension) => product * dimension, type === "F32" ? 4 : 2),
    ...(interleavedHeads === undefined ? {} : { interleavedHeads }),
    ...(transposed === undefined ? {} : { transposed }),
    rows,
  };
}

function sameLayout(checkpoint: Checkpoint, tensors: readonly StoredTensor[]): StoredTensor {
  const [like] = tensors;
  if (!like) throw new Error("a sum of no tensors");
  const layout = ({ shape, interleavedHeads, transposed }: StoredTensor) =>
    `[${shape.join(", ")}]${interleavedHeads ? ` in ${interleavedHeads} interleaved heads` : ""}${transposed ? " transposed" : ""}`;
  const other = tensors.find((tensor) => layout(tensor) !== layout(like));
  if (other === undefined) return like;
  throw inputError(
    "tensor-shape",
    `${checkpoint.path}: ${other.storedName} is ${layout(other)}, ${like.storedName} is ${layout(like)}: they cannot be added`,
    "Blocks that are merged must have the same shape.",
  );
}
