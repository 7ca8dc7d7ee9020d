/**
 * Adapters folded into the weights, W + s · B A, as a checkpoint that computes them when they are read: any tool plays the result,
 * and it costs nothing more to play. What was F32 stays F32; all else becomes F16.
 */
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import type { Checkpoint, StoredTensor } from "../weights/checkpoint.ts";
import { type ComputedTensor, columnsOf, computed, storedRows } from "../weights/computed-tensor.ts";
import { type EditedCheckpoint, editedCheckpoint } from "../weights/edited-checkpoint.ts";
import { type Adapter, type AdapterPair, adapterScale } from "./adapter.ts";
import type { AdapterValues } from "./adapter-values.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { findTensor, isTransposed } from "./load-weights.ts";
import { mixBlocks, oneBlock } from "./mix-blocks.ts";

export interface BoundAdapter {
  readonly adapter: Adapter;
  readonly values: AdapterValues;
}

/** The numbers of an adapter that stands in a model's own file (relaxed.ts). */
export async function storedValues(checkpoint: Checkpoint, { pairs }: Adapter): Promise<AdapterValues> {
  const values = new Map<string, Float32Array>();
  for (const parameter of pairs.flatMap(({ a, b }) => [a, b])) {
    const tensor = findTensor(checkpoint, parameter);
    values.set(parameter.name, await storedRows(checkpoint, tensor, 0, parameter.rows));
  }
  return values;
}

/** How a checkpoint becomes the merged one, and what that plays: where pairs belong to steps, each step gets a block of its own. */
export function mergeAdapter(
  config: ModelConfig,
  steps: Steps,
  { adapter, values }: BoundAdapter,
): { readonly edit: (checkpoint: Checkpoint) => EditedCheckpoint; readonly schedule: string } {
  if (adapter.pairs.every(({ step }) => step === undefined)) {
    return { edit: (checkpoint) => merged(checkpoint, adapter, values), schedule: printSteps(steps) };
  }
  const { rename } = familyOf(config);
  const own = steps.map(({ block }) => {
    const half = { weights: oneBlock(block), norms: oneBlock(block) };
    return { attention: half, ffn: half };
  });
  const pairs = adapter.pairs.map(({ step, weight, ...pair }) => {
    const block = config.blocks + step!;
    return { ...pair, weight: { ...weight, block, name: rename(weight.name, weight.block!, block) } };
  });
  return {
    edit: (checkpoint) => merged(mixBlocks(checkpoint, config, own), { ...adapter, pairs }, values),
    schedule: printSteps(steps.map(({ part }, i) => ({ block: config.blocks + i, part }))),
  };
}

function merged(checkpoint: Checkpoint, adapter: Adapter, values: AdapterValues): EditedCheckpoint {
  const scale = adapterScale(adapter);
  const tensors = new Map(
    adapter.pairs.map((pair) => [pair.weight.name, mergedTensor(checkpoint, pair, values, scale)] as const),
  );
  return editedCheckpoint(checkpoint, { tensors });
}

function mergedTensor(
  checkpoint: Checkpoint,
  { weight, a, b }: AdapterPair,
  values: AdapterValues,
  scale: number,
): ComputedTensor {
  const tensor = findTensor(checkpoint, weight);
  const type = tensor.type === "F32" ? "F32" : "F16";
  const [right, left] = [values.get(a.name)!, values.get(b.name)!];
  const width = columnsOf(tensor);
  const flipped = isTransposed(weight, tensor);
  return computed(weight.name, tensor, type, tensor.shape, async (first, count) => {
    const sum = Float64Array.from(await storedRows(checkpoint, tensor, first, count));
    for (let m = 0; m < count; m++) {
      const row = sum.subarray(m * width, (m + 1) * width);
      if (flipped) addColumn(row, first + m);
      else addRow(row, outputOf(tensor, weight.rows, first + m));
    }
    return Float32Array.from(sum);
  });

  /** Row `output` of s · B A. */
  function addRow(row: Float64Array, output: number): void {
    for (let r = 0; r < a.rows; r++) {
      const factor = scale * left[output * a.rows + r]!;
      for (let c = 0; c < width; c++) row[c]! += factor * right[r * width + c]!;
    }
  }

  /** Column `input` of s · B A: what a row of the transposed tensor holds. */
  function addColumn(row: Float64Array, input: number): void {
    for (let r = 0; r < a.rows; r++) {
      const factor = scale * right[r * a.columns + input]!;
      for (let c = 0; c < width; c++) row[c]! += factor * left[c * a.rows + r]!;
    }
  }
}

/** The output that a row of the file belongs to, where the halves of heads are interleaved: x0 y0 x1 y1 … for x0 x1 … y0 y1 …. */
function outputOf({ interleavedHeads }: StoredTensor, rows: number, row: number): number {
  if (!interleavedHeads) return row;
  const headWidth = rows / interleavedHeads;
  const within = row % headWidth;
  return row - within + (within >> 1) + (within & 1) * (headWidth / 2);
}
