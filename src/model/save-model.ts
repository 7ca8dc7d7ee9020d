/**
 * A schedule of a checkpoint as a Hugging Face folder: the blocks that are played, once each, and the schedule in
 * `config.json`; or unrolled, every played block written out, which any tool loads.
 *
 * Weights come from the checkpoint, not from memory: what was F32, F16 or BF16 is copied byte for byte, and quantized
 * blocks become F16.
 */
import type { Parameter } from "../engine/parameter.ts";
import { failure, inputError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import { printSteps } from "../schedule/print.ts";
import { type Steps, sameSteps } from "../schedule/schedule.ts";
import { playedHalves } from "../schedule/stats.ts";
import { renumber, unroll } from "../schedule/unroll.ts";
import type { Checkpoint, StoredTensor } from "../weights/checkpoint.ts";
import { encodeF16 } from "../weights/half.ts";
import { saveFolder, type TensorToWrite } from "../weights/save.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { findTensor, halvesInOrder, readRows, readTransposed, readVector } from "./load-weights.ts";
import { relaxedParameters } from "./network.ts";
import { refuseStepDependent } from "./relaxed.ts";
import { llama3ScalingOf } from "./rope.ts";

const CHUNK_BYTES = 4 << 20;

export interface SaveOptions {
  /** Write every played block out, so that tools without schedules play the same model. */
  readonly unrolled?: boolean;
  /** Replace a model that Refrain wrote before. */
  readonly overwrite?: boolean;
  /** More files for the folder, by name. */
  readonly extraFiles?: Readonly<Record<string, string | Uint8Array>>;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Where each block of the written model comes from. */
interface Layout {
  readonly steps: Steps;
  /** Source block of each half; undefined where the half is never played and need not be written. */
  readonly blocks: readonly { readonly attention: number | undefined; readonly ffn: number | undefined }[];
}

export function layoutOf(steps: Steps, unrolled: boolean): Layout {
  if (unrolled) {
    const plain = unroll(steps);
    return { steps: plain.steps, blocks: plain.copies };
  }
  const { steps: renamed, kept } = renumber(steps);
  const { attention, ffn } = playedHalves(steps);
  const blocks = kept.map((block) => ({
    attention: attention.has(block) ? block : undefined,
    ffn: ffn.has(block) ? block : undefined,
  }));
  return { steps: renamed, blocks };
}

export async function saveModel(
  folder: string,
  checkpoint: Checkpoint,
  config: ModelConfig,
  steps: Steps,
  options: SaveOptions = {},
): Promise<void> {
  const layout = layoutOf(steps, options.unrolled ?? false);
  const family = familyOf(config);
  const { stored = (name: string) => name } = family.counting(layout.blocks.length, layout.steps);
  const write = (parameter: Parameter, name: string) => toWrite(checkpoint, parameter, name);
  const { recurrence } = config;
  if (recurrence && !playedHalves(steps).attention.has(recurrence.block)) {
    refuseStepDependent(
      config,
      `a schedule without block ${recurrence.block}, where its loop begins, cannot be written`,
    );
  }
  if (options.unrolled) refuseStepDependent(config, "it cannot be unrolled");
  const [pairs, written] = [steps, layout.steps].map((played) => relaxedParameters(config, played));
  const tensors = [
    ...family.outer(config).map((parameter) => write(parameter, parameter.name)),
    ...layout.blocks.flatMap((source, block) =>
      (["attention", "ffn"] as const).flatMap((half) => {
        const from = source[half];
        if (from === undefined) return [];
        const parameters = family.block(config, from).filter((parameter) => parameter.half === half);
        return parameters.map((parameter) => write(parameter, stored(family.rename(parameter.name, from, block))));
      }),
    ),
    ...pairs!.map((parameter, i) => write(parameter, stored(written![i]!.name))),
  ];
  await saveFolder(
    folder,
    {
      config: savedConfig(checkpoint.config, config, layout, commonType(tensors)),
      tensors,
      extraFiles: options.extraFiles ?? {},
    },
    { overwrite: options.overwrite ?? false, signal: options.signal, onProgress: options.onProgress },
  );
}

/** Most bytes win: what `torch_dtype` says is only a hint to loaders. */
function commonType(tensors: readonly TensorToWrite[]): string {
  const bytes: Record<string, number> = {};
  for (const { type, byteLength } of tensors) bytes[type] = (bytes[type] ?? 0) + byteLength;
  const [[type]] = Object.entries(bytes).sort((a, b) => b[1] - a[1]) as [[string, number]];
  return { F32: "float32", F16: "float16", BF16: "bfloat16" }[type] ?? "float32";
}

/** `config.json` of the written model: what counts or lists blocks follows the blocks that are written. */
export function savedConfig(
  original: Readonly<Record<string, unknown>>,
  config: ModelConfig,
  layout: Layout,
  dtype: string,
): Record<string, unknown> {
  const sources = layout.blocks.map(({ attention, ffn }) => attention ?? ffn ?? 0);
  const saved: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(original)) {
    // layer_types and the like: one entry a block.
    const listsBlocks = Array.isArray(value) && value.length === config.blocks && key.startsWith("layer");
    saved[key] = listsBlocks ? sources.map((block) => value[block]) : value;
  }
  const { keys, plays } = familyOf(config).counting(sources.length, layout.steps);
  Object.assign(saved, keys);
  if (typeof original.max_window_layers === "number" && config.windows.some((window) => window !== undefined)) {
    // "The first n see everything" says nothing any more once blocks are dropped or change places; a list by block does.
    saved.layer_types = layout.blocks.map(({ attention }, i) =>
      config.windows[attention ?? sources[i]!] === undefined ? "full_attention" : "sliding_attention",
    );
  }
  if (config.rope.scaling.kind === "factors") saved.rope_scaling = llama3Scaling(config);
  saved.torch_dtype = dtype;
  // MobileLLM's flag and Refrain's schedule say the same thing; one of them may stay.
  if ("layer_sharing" in saved) saved.layer_sharing = false;
  delete saved.refrain;
  const { relaxed, recurrence } = config;
  if (relaxed || recurrence || !sameSteps(layout.steps, plays)) {
    saved.refrain = {
      schedule: printSteps(layout.steps),
      ...(relaxed && { relaxed }),
      ...(recurrence && { recurrence: { block: sources.indexOf(recurrence.block) } }),
    };
  }
  return saved;
}

/** GGUF files bring factors; config.json wants the numbers behind them. */
function llama3Scaling(config: ModelConfig): Record<string, unknown> {
  const scaling = llama3ScalingOf(config.rope, config.headWidth);
  if (scaling?.kind !== "llama3") {
    throw inputError(
      "rope-factors",
      "rope_freqs.weight: these rotary factors are not Llama 3's, and config.json has no words for them",
      "Save from the original Hugging Face folder of this model.",
    );
  }
  return {
    rope_type: "llama3",
    factor: scaling.factor,
    low_freq_factor: scaling.lowFrequencyFactor,
    high_freq_factor: scaling.highFrequencyFactor,
    original_max_position_embeddings: scaling.originalContext,
  };
}

function toWrite(checkpoint: Checkpoint, parameter: Parameter, name: string): TensorToWrite {
  const tensor = findTensor(checkpoint, parameter);
  const { rows, columns } = parameter;
  const shape = parameter.kind === "vector" ? [columns] : parameter.transposed ? [columns, rows] : [rows, columns];
  const plain = tensor.type === "F32" || tensor.type === "F16" || tensor.type === "BF16";
  if (plain && !tensor.interleavedHeads && !tensor.transposed) {
    return {
      name,
      type: tensor.type as TensorToWrite["type"],
      shape,
      byteLength: tensor.byteLength,
      chunks: () => copyBytes(checkpoint, tensor),
    };
  }
  // f32 passes through unharmed; all else that must be rearranged is written as F16.
  const type = tensor.type === "F32" ? "F32" : "F16";
  return {
    name,
    type,
    shape,
    byteLength: rows * columns * (type === "F32" ? 4 : 2),
    chunks: () => rearranged(checkpoint, tensor, parameter, type),
  };
}

async function* copyBytes(checkpoint: Checkpoint, tensor: StoredTensor): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < tensor.byteLength; at += CHUNK_BYTES) {
    yield await checkpoint.read(tensor, at, Math.min(tensor.byteLength, at + CHUNK_BYTES));
  }
}

async function* rearranged(
  checkpoint: Checkpoint,
  tensor: StoredTensor,
  parameter: Parameter,
  type: "F32" | "F16",
): AsyncGenerator<Uint8Array> {
  const { rows, columns } = parameter;
  const encode = (values: Float32Array): Uint8Array => {
    if (type === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const out = new Uint8Array(values.length * 2);
    encodeF16(values, out);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (largest > 65504) {
      throw failure("f16-range", `${parameter.name}: a weight of ${largest} is larger than F16 can hold (65,504)`);
    }
    return out;
  };
  if (tensor.transposed) {
    // The file holds [out, in] where the hub's name stands for [in, out]: turn it over as a whole.
    yield encode(await readTransposed(checkpoint, tensor, { ...parameter, rows: columns, columns: rows }));
    return;
  }
  if (parameter.kind === "vector") {
    yield encode(await readVector(checkpoint, tensor));
    return;
  }
  const unit = tensor.interleavedHeads ? rows / tensor.interleavedHeads : 1;
  const chunk = Math.max(1, Math.floor(CHUNK_BYTES / (columns * 4) / unit)) * unit;
  for (let first = 0; first < rows; first += chunk) {
    const count = Math.min(chunk, rows - first);
    const values = await readRows(checkpoint, tensor, first, count, columns);
    yield encode(tensor.interleavedHeads ? halvesInOrder(values, count, unit) : values);
  }
}
