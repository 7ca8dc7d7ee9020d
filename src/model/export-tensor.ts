/**
 * One parameter of a checkpoint as a tensor of a GGUF file: in the type that was asked for, rows of rotary heads interleaved where the
 * format has them so. What already has its type is copied; all else passes through f32, some rows at a time.
 */
import { BLOCK, type Parameter } from "../engine/parameter.ts";
import { inputError } from "../errors.ts";
import type { Edit } from "../load-checkpoint.ts";
import type { Checkpoint, StoredTensor, StoredType } from "../weights/checkpoint.ts";
import { type ComputedTensor, computed, storedRows } from "../weights/computed-tensor.ts";
import { typeInfo } from "../weights/dequantize.ts";
import { editedCheckpoint } from "../weights/edited-checkpoint.ts";
import type { TensorToWrite } from "../weights/gguf-write.ts";
import { encodeBF16, encodeF16 } from "../weights/half.ts";
import { quantizeQ4_0, quantizeQ8_0 } from "../weights/quantize.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { isTransposed, readRows, readTransposed, type WeightChoice } from "./load-weights.ts";

const CHUNK_BYTES = 1 << 20;

const chosen = { f32: "F32", f16: "F16", q8: "Q8_0", q4: "Q4_0" } as const;

/**
 * The type that a parameter is written in: vectors as F32; matrices as the file has them or as `choice` says, but in 16 bits where rows
 * are no whole blocks. A 4-bit file that is asked for in 4 bits keeps its own form, as it does in memory.
 */
export function exportedType({ kind, columns }: Parameter, stored: StoredType, choice: WeightChoice): StoredType {
  if (kind === "vector") return "F32";
  if (choice === "file" || (choice === "q4" && stored === "Q4_1")) return stored;
  const type = chosen[choice];
  if (columns % typeInfo[type].block === 0) return type;
  return stored === "BF16" ? "BF16" : "F16";
}

/** Whether the kernels would have rounded it to blocks, and the file does not. */
export function isKeptWide({ kind, columns }: Parameter, choice: WeightChoice): boolean {
  return kind === "matrix" && (choice === "q8" || choice === "q4") && columns % BLOCK !== 0;
}

/** What a file that was written with `choice` holds, as far as it is not what loading with `choice` gives: matrices that stay wide. */
export function asExported(config: ModelConfig, choice: WeightChoice): Edit {
  const family = familyOf(config);
  const blocks = Array.from({ length: config.blocks }, (_, block) => family.block(config, block)).flat();
  const wide = [...family.outer(config), ...blocks].filter((parameter) => isKeptWide(parameter, choice));
  return (checkpoint) => {
    const tensors = new Map<string, ComputedTensor>();
    for (const { name } of wide) {
      const tensor = checkpoint.tensors.get(name);
      if (tensor?.type !== "F32") continue;
      const rows = (first: number, count: number) => storedRows(checkpoint, tensor, first, count);
      tensors.set(name, computed(name, tensor, "F16", tensor.shape, rows));
    }
    return editedCheckpoint(checkpoint, { tensors });
  };
}

/** @param interleaved heads whose halves the file interleaves; undefined where it keeps the hub's order */
export function exportTensor(
  checkpoint: Checkpoint,
  tensor: StoredTensor,
  parameter: Parameter,
  {
    name,
    type,
    interleaved,
  }: {
    readonly name: string;
    readonly type: StoredType;
    readonly interleaved: number | undefined;
  },
): TensorToWrite {
  const { kind, rows, columns } = parameter;
  const shape = kind === "vector" ? [columns] : [rows, columns];
  return { name, type, shape, data: pieces(checkpoint, tensor, parameter, type, interleaved) };
}

async function* pieces(
  checkpoint: Checkpoint,
  tensor: StoredTensor,
  parameter: Parameter,
  type: StoredType,
  interleaved: number | undefined,
): AsyncGenerator<Uint8Array> {
  if (isTransposed(parameter, tensor)) {
    yield encode(type, await readTransposed(checkpoint, tensor, parameter), parameter);
    return;
  }
  if (interleaved === undefined && tensor.interleavedHeads !== undefined) {
    throw new Error(`${tensor.storedName} is interleaved where its architecture is not`);
  }
  const heads = tensor.interleavedHeads === undefined ? interleaved : undefined;
  const { rows, columns } = parameter;
  if (parameter.kind === "vector") {
    const bytes = encode(type, await readRows(checkpoint, tensor, 0, 1, columns), parameter);
    yield heads === undefined ? bytes : halvesInterleaved(bytes, 4, columns / heads);
    return;
  }
  const unit = heads === undefined ? 1 : rows / heads;
  const most = Math.max(1, Math.floor(CHUNK_BYTES / (columns * 4) / unit)) * unit;
  const rowBytes = tensor.byteLength / rows;
  for (let first = 0; first < rows; first += most) {
    const count = Math.min(most, rows - first);
    const bytes =
      tensor.type === type
        ? await checkpoint.read(tensor, first * rowBytes, (first + count) * rowBytes)
        : encode(type, await readRows(checkpoint, tensor, first, count, columns), parameter);
    yield heads === undefined ? bytes : halvesInterleaved(bytes, bytes.length / count, unit);
  }
}

/** Rows of whole heads from x0 x1 … y0 y1 … to x0 y0 x1 y1 …: what `halvesInOrder` undoes. */
export function halvesInterleaved(bytes: Uint8Array, rowBytes: number, headWidth: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let head = 0; head * rowBytes < bytes.length; head += headWidth) {
    for (let i = 0; i < headWidth; i++) {
      const from = (head + (i >> 1) + (i & 1) * (headWidth / 2)) * rowBytes;
      out.set(bytes.subarray(from, from + rowBytes), (head + i) * rowBytes);
    }
  }
  return out;
}

function encode(type: StoredType, values: Float32Array, parameter: Parameter): Uint8Array {
  const out = new Uint8Array((values.length / typeInfo[type].block) * typeInfo[type].bytes);
  if (type === "F32") out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  else if (type === "F16") {
    refuseLarge(values, parameter);
    encodeF16(values, out);
  } else if (type === "BF16") encodeBF16(values, out);
  else if (type === "Q8_0") quantizeQ8_0(values, out);
  else if (type === "Q4_0") quantizeQ4_0(values, out);
  else throw new Error(`${parameter.name}: nothing is rounded to ${type}`);
  return out;
}

/** The error that loading gives. */
function refuseLarge(values: Float32Array, { name }: Parameter): void {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (largest <= 65504) return;
  throw inputError(
    "f16-range",
    `${name}: a weight of ${largest} is larger than F16 can hold (65,504)`,
    "Export with --weights f32.",
  );
}
