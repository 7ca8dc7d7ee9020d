/**
 * Streams a checkpoint into a parameter store, a MiB at a time. What a file keeps in the blocks that the kernels read is
 * packed unrounded; all else passes through f32.
 */
import { BLOCK, GROUP, type Parameter, type StorageType } from "../engine/parameter.ts";
import {
  type BlockType,
  blockTypes,
  leastCommonMultiple,
  type ParameterStore,
} from "../engine/wasm/parameter-store.ts";
import { inputError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import type { Checkpoint, StoredTensor, StoredType } from "../weights/checkpoint.ts";
import { dequantize, storedRowBytes } from "../weights/dequantize.ts";

/** How matrices are to be kept; "file": as near to the file's own types as the engine has. */
export type WeightChoice = "f32" | "f16" | "q8" | "q4" | "file";

/** Most bytes of a file, or of f32 values, that are in hand at once. */
const CHUNK_BYTES = 1 << 20;
/** Chunks that are on their way while one is packed. */
const READ_AHEAD = 4;

const nearest: Readonly<Record<StoredType, StorageType>> = {
  F32: "f32",
  F16: "f16",
  BF16: "f16",
  Q8_0: "q8",
  Q4_0: "q4",
  Q4_1: "q4_1",
  // The engine has no kernel for these: q8 holds their values to about three digits.
  Q5_0: "q8",
  Q5_1: "q8",
  Q4_K: "q8",
  Q5_K: "q8",
  Q6_K: "q8",
};

/** The type that a matrix is kept in. A 4-bit file that is asked for in 4 bits keeps its own 4-bit form. */
export function storageType(stored: StoredType, choice: WeightChoice): StorageType {
  if (choice === "file") return nearest[stored];
  return choice === "q4" && stored === "Q4_1" ? "q4_1" : choice;
}

/** The tensor of a parameter, its shape checked. */
export function findTensor(checkpoint: Checkpoint, parameter: Parameter): StoredTensor {
  const tensor = checkpoint.tensors.get(parameter.name);
  if (!tensor) {
    const tied = parameter.part === "head" ? " (its config says that embeddings are not tied)" : "";
    throw inputError(
      "tensor-missing",
      `${checkpoint.path}: tensor ${parameter.name} is missing${tied}`,
      "The file is incomplete, or its config is of another model. `refrain inspect` lists what is there.",
    );
  }
  const flipped = isTransposed(parameter, tensor);
  const { rows, columns } = parameter;
  const expected = parameter.kind === "vector" ? [columns] : flipped ? [columns, rows] : [rows, columns];
  if (tensor.shape.join() !== expected.join()) {
    throw inputError(
      "tensor-shape",
      `${checkpoint.path}: tensor ${tensor.storedName}: expected shape [${expected.join(", ")}] from the config, got [${tensor.shape.join(", ")}]`,
      "The config and the weights are of different models.",
    );
  }
  return tensor;
}

/** True where the file holds [columns, rows]. */
export function isTransposed(parameter: Parameter, tensor: StoredTensor): boolean {
  return (parameter.transposed ?? false) !== (tensor.transposed ?? false);
}

export interface LoadWeightsOptions {
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Loads `parameters` into `store`, each as `storageType` says. All memory is taken before the first byte is read, and while
 * rows are being packed the next ones are on their way; none is any more when this returns or throws.
 */
export async function loadWeights(
  checkpoint: Checkpoint,
  parameters: readonly Parameter[],
  choice: WeightChoice,
  store: ParameterStore,
  { onProgress, signal }: LoadWeightsOptions = {},
): Promise<void> {
  const tensors = parameters.map((parameter) => ({ parameter, tensor: findTensor(checkpoint, parameter) }));
  const total = tensors.reduce((sum, { tensor }) => sum + tensor.byteLength, 0);
  store.reserveAll(
    tensors.map(({ parameter, tensor }) => ({
      parameter,
      type: storageType(tensor.type, choice),
      headWidth: headWidthOf(parameter, tensor),
    })),
  );
  // One buffer for all chunks: what is allocated anew stays resident until the collector gets to it.
  const scratch = new Float32Array(CHUNK_BYTES / 4);
  const chunks = tensors.flatMap(({ parameter, tensor }) => chunksOf(parameter, tensor, store));
  // A place for each read that is under way.
  const largest = Math.max(0, ...chunks.map(({ bytes, block }) => (block ? bytes : 0)));
  const landing = store.landing(READ_AHEAD * largest);
  const landingOf = (i: number): Uint8Array => landing.subarray((i % READ_AHEAD) * largest);
  const underway: Promise<void>[] = [];
  let started = 0;
  let done = 0;
  try {
    for (const [i, chunk] of chunks.entries()) {
      for (; started < Math.min(chunks.length, i + READ_AHEAD); started++)
        underway.push(read(checkpoint, chunks[started]!, landingOf(started)));
      await underway.shift();
      await write(checkpoint, chunk, store, landingOf(i), scratch);
      signal?.throwIfAborted();
      done += chunk.bytes;
      onProgress?.({ label: "loading weights", done, total, unit: "bytes" });
    }
  } finally {
    await Promise.allSettled(underway);
    store.leave(landing);
  }
}

/** Some rows of a tensor, or all of it. */
interface Chunk {
  readonly parameter: Parameter;
  readonly tensor: StoredTensor;
  readonly first: number;
  readonly count: number;
  readonly bytes: number;
  /** Set where the rows are kept as the file has them. */
  readonly block: BlockType | undefined;
}

function chunksOf(parameter: Parameter, tensor: StoredTensor, store: ParameterStore): Chunk[] {
  const { rows, columns } = parameter;
  const whole = { parameter, tensor, first: 0, count: rows, bytes: tensor.byteLength, block: undefined };
  if (parameter.kind === "vector" || isTransposed(parameter, tensor)) return [whole];
  const block = keptAsIs(tensor, store.type(parameter), columns);
  const rowBytes = tensor.byteLength / rows;
  const unit = leastCommonMultiple(GROUP, headWidthOf(parameter, tensor) || 1);
  const most = Math.floor(CHUNK_BYTES / (block ? rowBytes : columns * 4));
  const chunk = Math.max(1, Math.floor(most / unit)) * unit;
  const chunks: Chunk[] = [];
  for (let first = 0; first < rows; first += chunk) {
    const count = Math.min(chunk, rows - first);
    chunks.push({ parameter, tensor, first, count, bytes: count * rowBytes, block });
  }
  return chunks;
}

/** Rows that are kept as they are go to the player's memory; the others are read when it is their turn. */
async function read(checkpoint: Checkpoint, { parameter, tensor, first, bytes, block }: Chunk, landing: Uint8Array) {
  if (!block) return;
  const begin = first * (tensor.byteLength / parameter.rows);
  await checkpoint.readInto(tensor, begin, landing.subarray(0, bytes));
}

async function write(
  checkpoint: Checkpoint,
  chunk: Chunk,
  store: ParameterStore,
  landing: Uint8Array,
  scratch: Float32Array,
): Promise<void> {
  const { parameter, tensor, first, count, block } = chunk;
  if (block) store.settle(parameter, first, count, block, landing);
  else if (parameter.kind === "vector") store.writeVector(parameter, await readVector(checkpoint, tensor));
  else if (isTransposed(parameter, tensor)) {
    store.writeRows(parameter, 0, await readTransposed(checkpoint, tensor, parameter));
  } else {
    const values = await readRows(checkpoint, tensor, first, count, parameter.columns, scratch);
    const headWidth = headWidthOf(parameter, tensor);
    store.writeRows(parameter, first, headWidth > 0 ? halvesInOrder(values, count, headWidth) : values);
  }
}

/** Rows of a head whose halves the file interleaves; 0 where it does not. */
function headWidthOf({ rows }: Parameter, { interleavedHeads }: StoredTensor): number {
  return interleavedHeads ? rows / interleavedHeads : 0;
}

/** The block type of a tensor that the kernels read unchanged, if it is one. */
function keptAsIs(tensor: StoredTensor, kept: StorageType, columns: number): BlockType | undefined {
  if (columns % BLOCK !== 0) return undefined;
  const type = tensor.type;
  return (type === "Q8_0" || type === "Q4_0" || type === "Q4_1") && blockTypes[type].storage === kept
    ? type
    : undefined;
}

/** Rows [first, first + count) as f32, in the file's order; into `scratch`, where that is large enough. */
export async function readRows(
  checkpoint: Checkpoint,
  tensor: StoredTensor,
  first: number,
  count: number,
  columns: number,
  scratch?: Float32Array,
): Promise<Float32Array> {
  const rowBytes = storedRowBytes(checkpoint.path, tensor, columns);
  const length = count * columns;
  const out = scratch && scratch.length >= length ? scratch.subarray(0, length) : new Float32Array(length);
  dequantize(tensor.type, await checkpoint.read(tensor, first * rowBytes, (first + count) * rowBytes), out);
  return out;
}

/** A vector as f32; a bias of interleaved heads in the order of its rows. */
export async function readVector(checkpoint: Checkpoint, tensor: StoredTensor): Promise<Float32Array> {
  const length = tensor.shape[0]!;
  const values = await readRows(checkpoint, tensor, 0, 1, length);
  return tensor.interleavedHeads ? halvesInOrder(values, length, length / tensor.interleavedHeads) : values;
}

/** A [columns, rows] tensor as [rows, columns]; read whole, since every row of it is spread over the file. */
export async function readTransposed(
  checkpoint: Checkpoint,
  tensor: StoredTensor,
  { rows, columns }: Parameter,
): Promise<Float32Array> {
  const out = new Float32Array(rows * columns);
  const chunk = Math.max(1, Math.floor(CHUNK_BYTES / (rows * 4)));
  for (let first = 0; first < columns; first += chunk) {
    const count = Math.min(chunk, columns - first);
    const values = await readRows(checkpoint, tensor, first, count, rows);
    for (let c = 0; c < count; c++) {
      for (let r = 0; r < rows; r++) out[r * columns + first + c] = values[c * rows + r]!;
    }
  }
  return out;
}

/** Rows of whole rotary heads from x0 y0 x1 y1 … to x0 x1 … y0 y1 …. */
export function halvesInOrder(rows: Float32Array, count: number, headWidth: number): Float32Array {
  const length = rows.length / count;
  const out = rows.slice();
  for (let head = 0; head < count; head += headWidth) {
    for (let i = 0; i < headWidth; i++) {
      const from = (head + i) * length;
      out.set(rows.subarray(from, from + length), (head + (i >> 1) + (i & 1) * (headWidth / 2)) * length);
    }
  }
  return out;
}
