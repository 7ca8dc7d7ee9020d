/**
 * Writes GGUF version 3 as a stream of bytes: the header first, then each tensor as its chunks come, so that a model needs
 * never be in memory as a whole. What the keys mean is the caller's business.
 */
import { failure } from "../errors.ts";
import type { StoredType } from "./checkpoint.ts";
import { typeInfo } from "./dequantize.ts";
import { alignUp, defaultAlignment, tensorTypes, type ValueType, valueBytes, valueTypes } from "./gguf-types.ts";
import { TextList } from "./text-list.ts";

export type NumberType = Exclude<ValueType, "string" | "bool" | "array">;

/** A metadata value with its type, e.g. `["u32", 30]`, `["array", "string", ["a", "b"]]`. */
export type GgufEntry =
  | readonly ["string", string]
  | readonly ["bool", boolean]
  | readonly [NumberType, number | bigint]
  | readonly ["array", "string", readonly string[] | TextList]
  | readonly ["array", NumberType, ArrayLike<number | bigint>];

export interface TensorToWrite {
  readonly name: string;
  readonly type: StoredType;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** All bytes of the tensor, in chunks of any size. */
  readonly data: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * The bytes of the file, in order. A tensor whose data has not the length that its shape and type ask for is a failure,
 * and so is a row that is no whole number of blocks.
 */
export async function* writeGguf(
  metadata: ReadonlyMap<string, GgufEntry>,
  tensors: readonly TensorToWrite[],
): AsyncGenerator<Uint8Array> {
  const alignment = alignmentOf(metadata);
  yield headerBytes(metadata, tensors);
  for (const tensor of tensors) yield* padded(tensor, alignment);
}

/** Bytes of the file that `writeGguf` makes. */
export function ggufLength(metadata: ReadonlyMap<string, GgufEntry>, tensors: readonly TensorToWrite[]): number {
  const alignment = alignmentOf(metadata);
  const data = tensors.reduce((sum, tensor) => sum + alignUp(tensorBytes(tensor), alignment), 0);
  return headerBytes(metadata, tensors).length + data;
}

const alignmentOf = (metadata: ReadonlyMap<string, GgufEntry>): number =>
  Number(metadata.get("general.alignment")?.[1] ?? defaultAlignment);

function headerBytes(metadata: ReadonlyMap<string, GgufEntry>, tensors: readonly TensorToWrite[]): Uint8Array {
  const alignment = alignmentOf(metadata);
  const header = new Sink();
  header.raw(new TextEncoder().encode("GGUF"));
  header.number("u32", 3);
  header.number("u64", tensors.length);
  header.number("u64", metadata.size);
  for (const [key, entry] of metadata) {
    header.text(key);
    header.entry(entry);
  }
  let offset = 0;
  for (const tensor of tensors) {
    header.text(tensor.name);
    header.number("u32", tensor.shape.length);
    for (const dimension of tensor.shape.toReversed()) header.number("u64", dimension);
    header.number("u32", tensorTypeIds.get(tensor.type)!);
    header.number("u64", offset);
    offset = alignUp(offset + tensorBytes(tensor), alignment);
  }
  header.raw(new Uint8Array(alignUp(header.length, alignment) - header.length));
  return header.bytes();
}

const tensorTypeIds = new Map([...tensorTypes].map(([id, type]) => [type, id]));

async function* padded(tensor: TensorToWrite, alignment: number): AsyncGenerator<Uint8Array> {
  const expected = tensorBytes(tensor);
  let written = 0;
  for await (const chunk of tensor.data) {
    written += chunk.length;
    yield chunk;
  }
  if (written !== expected) {
    throw failure(
      "gguf-write",
      `the tensor "${tensor.name}" was given ${written} bytes; ${tensor.type} [${tensor.shape.join(", ")}] has ${expected}`,
    );
  }
  yield new Uint8Array(alignUp(written, alignment) - written);
}

export function tensorBytes({ name, type, shape }: TensorToWrite): number {
  const { block, bytes } = typeInfo[type];
  if (shape[shape.length - 1]! % block !== 0) {
    throw failure(
      "gguf-write",
      `the rows of "${name}" [${shape.join(", ")}] are no whole blocks of ${type} (${block})`,
    );
  }
  return (shape.reduce((product, dimension) => product * dimension, 1) / block) * bytes;
}

/** A buffer that grows, with the encodings of the header. */
class Sink {
  #view = new DataView(new ArrayBuffer(1 << 12));
  length = 0;

  bytes(): Uint8Array {
    return new Uint8Array(this.#view.buffer, 0, this.length);
  }

  entry(entry: GgufEntry): void {
    this.#type(entry[0]);
    if (entry[0] === "array") {
      const [, type, values] = entry;
      this.#type(type);
      this.number("u64", values.length);
      if (type === "string") this.#texts(values);
      else for (let i = 0; i < values.length; i++) this.number(type, values[i]!);
    } else if (entry[0] === "string") this.text(entry[1]);
    else if (entry[0] === "bool") this.number("u8", Number(entry[1]));
    else this.number(entry[0], entry[1]);
  }

  text(text: string): void {
    this.#bytes(new TextEncoder().encode(text));
  }

  /** Of a list that was read, the bytes as they are: a piece of a vocabulary need not be valid UTF-8. */
  #texts(texts: readonly string[] | TextList): void {
    if (!(texts instanceof TextList)) for (const text of texts) this.text(text);
    else texts.ends.forEach((end, i) => void this.#bytes(texts.bytes.subarray(texts.begin(i), end)));
  }

  #bytes(bytes: Uint8Array): void {
    this.number("u64", bytes.length);
    this.raw(bytes);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    new Uint8Array(this.#view.buffer).set(bytes, at);
  }

  number(type: NumberType, value: number | bigint): void {
    const at = this.#grow(valueBytes[type]);
    const view = this.#view;
    if (type === "u64" || type === "i64") view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    else if (type === "f32") view.setFloat32(at, Number(value), true);
    else if (type === "f64") view.setFloat64(at, Number(value), true);
    else if (valueBytes[type] === 4) view.setUint32(at, Number(value), true);
    else if (valueBytes[type] === 2) view.setUint16(at, Number(value), true);
    else view.setUint8(at, Number(value));
  }

  #type(type: ValueType): void {
    this.number("u32", valueTypes.indexOf(type));
  }

  #grow(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.#view.byteLength) {
      const larger = new Uint8Array(Math.max(this.length, 2 * this.#view.byteLength));
      larger.set(new Uint8Array(this.#view.buffer));
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}
