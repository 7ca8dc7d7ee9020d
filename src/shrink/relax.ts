/**
 * The second half of tying (Bae et al. 2024, arXiv 2410.20672, section 2.3): each step of a shared block gets a pair B A for each linear
 * map, which begins as the best approximation of its rank to what the layer was that stood in its place, W_layer − W_shared.
 * With the full rank every map is what it was; norms and biases stay those of the shared block.
 */
import type { AdapterPair } from "../model/adapter.ts";
import type { ModelConfig } from "../model/config.ts";
import { familyOf } from "../model/families.ts";
import { findTensor, halvesInOrder, isTransposed } from "../model/load-weights.ts";
import { relaxedAdapter } from "../model/relaxed.ts";
import type { OnProgress } from "../progress.ts";
import type { Edit, Model } from "../refrain.ts";
import { halves } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import type { Step, Steps } from "../schedule/schedule.ts";
import { relaxedValues } from "../train/adapter-start.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { computed, rowsOf, storedRows } from "../weights/computed-tensor.ts";
import { editedCheckpoint } from "../weights/edited-checkpoint.ts";

export interface RelaxOptions {
  /** What is played after tying, in the blocks that `tied` makes. */
  readonly steps: Steps;
  readonly tied: Edit | undefined;
  readonly rank: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** `tied`, relaxed: the pairs are computed here, and lie in memory as long as the edit does. */
export async function relax(model: Model, options: RelaxOptions): Promise<Edit | undefined> {
  const { steps, tied, rank, signal, onProgress } = options;
  const relaxed = { rank, alpha: rank, modules: "all" } as const;
  const config: ModelConfig = { ...model.config, relaxed };
  const adapter = relaxedAdapter(config, steps)!;
  // Nothing is shared, so nothing is to differ.
  if (adapter.pairs.length === 0) return tied;
  const { rename } = familyOf(config);
  const places = layersByStep(model.steps, steps);
  const source = await model.open();
  const checkpoint = tied ? tied(source) : source;
  try {
    const residual = async ({ weight, step }: AdapterPair) => {
      const layer = places[step!]![weight.half!]!;
      const was = await inOrder(checkpoint, { ...weight, name: rename(weight.name, weight.block!, layer) });
      const is = await inOrder(checkpoint, weight);
      return was.map((value, i) => value - is[i]!);
    };
    const values = await relaxedValues(adapter, residual, { signal, onProgress });
    return (original) => {
      const from = tied ? tied(original) : original;
      const tensors = new Map(
        adapter.pairs
          .flatMap(({ a, b }) => [a, b])
          .map(({ name, rows, columns }) => [
            name,
            computed(name, {}, "F32", [rows, columns], async (first, count) =>
              values.get(name)!.slice(first * columns, (first + count) * columns),
            ),
          ]),
      );
      const refrain = { schedule: printSteps(steps), relaxed };
      const edited = editedCheckpoint(from, { tensors, config: { ...from.config, refrain } });
      return "edited" in from
        ? { ...edited, edited: new Set([...(from.edited as ReadonlySet<string>), ...edited.edited]) }
        : edited;
    };
  } finally {
    await checkpoint.close();
  }
}

/** For each step of the tied model the block of the source that each of its halves stands for. */
function layersByStep(source: Steps, tied: Steps): readonly Partial<Record<Step["part"], number>>[] {
  const of = (part: Step["part"]) => halves(source).flatMap((step) => (step.part === part ? [step.block] : []));
  const [attention, ffn] = [of("attention"), of("ffn")];
  let [a, f] = [0, 0];
  return tied.map(({ part }) => ({
    ...(part !== "ffn" && { attention: attention[a++]! }),
    ...(part !== "attention" && { ffn: ffn[f++]! }),
  }));
}

/** A weight as the network has it, row-major [rows, columns], however the file holds it. */
async function inOrder(checkpoint: Checkpoint, weight: AdapterPair["weight"]): Promise<Float32Array> {
  const { rows, columns } = weight;
  const tensor = findTensor(checkpoint, weight);
  const stored = await storedRows(checkpoint, tensor, 0, rowsOf(tensor));
  if (tensor.interleavedHeads) return halvesInOrder(stored, rows, rows / tensor.interleavedHeads);
  if (!isTransposed(weight, tensor)) return stored;
  return stored.map((_, i) => stored[(i % columns) * rows + Math.floor(i / columns)]!);
}
