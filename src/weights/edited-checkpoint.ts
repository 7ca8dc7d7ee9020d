/**
 * A checkpoint some of whose tensors are not in its file: computed from others when they are read, or another tensor under
 * a new name. To whoever loads, saves or inspects it, it is a checkpoint like any other.
 */
import { inputError } from "../errors.ts";
import type { Checkpoint, StoredTensor, VocabularySource } from "./checkpoint.ts";
import { type ComputedTensor, columnsOf, rowsOf } from "./computed-tensor.ts";
import { encodeF16 } from "./half.ts";

/** Bytes that are computed at once. */
const CHUNK_BYTES = 1 << 20;

export interface CheckpointEdits {
  /** By name, new or replacing: what is computed, or a tensor of the source, whose bytes stay as they are. */
  readonly tensors: ReadonlyMap<string, ComputedTensor | StoredTensor>;
  /** In place of the source's. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** In place of the source's; the config then says how many tokens it has. */
  readonly vocabulary?: VocabularySource;
}

export interface EditedCheckpoint extends Checkpoint {
  /** Names of the tensors that are not the file's: of this edit and of those before it. */
  readonly edited: ReadonlySet<string>;
}

/** Closing it closes `source`. Reading a value that F16 cannot hold throws `f16-range`. */
export function editedCheckpoint(
  source: Checkpoint,
  { tensors, config = source.config, vocabulary }: CheckpointEdits,
): EditedCheckpoint {
  const readInto = async (tensor: StoredTensor, begin: number, target: Uint8Array): Promise<void> => {
    const edit = tensors.get(tensor.name);
    if (edit === undefined) return source.readInto(tensor, begin, target);
    if (!isComputed(edit)) return source.readInto(edit, begin, target);
    await compute(edit, begin, target, source.path);
  };
  let buffer = new Uint8Array(0);
  return {
    format: source.format,
    path: source.path,
    config,
    edited: new Set([...editedNames(source), ...tensors.keys()]),
    tensors: new Map([
      ...source.tensors,
      ...[...tensors].map(([name, tensor]): [string, StoredTensor] => [name, { ...tensor, name }]),
    ]),
    vocabulary: async () => vocabulary ?? source.vocabulary(),
    readInto,
    read: async (tensor, begin, end) => {
      if (buffer.length < end - begin) buffer = new Uint8Array(end - begin);
      const target = buffer.subarray(0, end - begin);
      await readInto(tensor, begin, target);
      return target;
    },
    close: () => source.close(),
  };
}

/** Names of the tensors that are not the file's. */
export const editedNames = (checkpoint: Checkpoint): ReadonlySet<string> =>
  "edited" in checkpoint ? (checkpoint as EditedCheckpoint).edited : new Set();

const isComputed = (tensor: ComputedTensor | StoredTensor): tensor is ComputedTensor => "rows" in tensor;

/** Fills `target` with the bytes from `begin` on, a few rows at a time. */
async function compute(tensor: ComputedTensor, begin: number, target: Uint8Array, path: string): Promise<void> {
  const end = begin + target.length;
  if (begin < 0 || end > tensor.byteLength) {
    throw new RangeError(`bytes ${begin} to ${end} of ${tensor.name}, which has ${tensor.byteLength}`);
  }
  const rowBytes = columnsOf(tensor) * (tensor.type === "F32" ? 4 : 2);
  const most = Math.max(1, Math.floor(CHUNK_BYTES / rowBytes));
  const last = Math.min(rowsOf(tensor), Math.ceil(end / rowBytes));
  for (let first = Math.floor(begin / rowBytes); first < last; first += most) {
    const count = Math.min(most, last - first);
    const bytes = encode(await tensor.rows(first, count), tensor, path);
    const at = first * rowBytes;
    const from = Math.max(begin, at);
    target.set(bytes.subarray(from - at, Math.min(end, at + bytes.length) - at), from - begin);
  }
}

function encode(values: Float32Array, { name, type }: ComputedTensor, path: string): Uint8Array {
  if (type === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const large = values.find((value) => Math.abs(value) > 65504);
  if (large !== undefined) {
    throw inputError(
      "f16-range",
      `${path}: the new ${name} has a weight of ${large}, which is more than F16 holds (65,504)`,
      "Start from a model whose weights are F32.",
    );
  }
  const bytes = new Uint8Array(2 * values.length);
  encodeF16(values, bytes);
  return bytes;
}
