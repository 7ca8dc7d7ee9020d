/** For tests: GGUF headers piece by piece, so that each piece can be wrong, and whole files in memory. */
import { type GgufEntry, type TensorToWrite, writeGguf } from "./gguf-write.ts";

/** A whole file. */
export async function ggufBytes(
  metadata: Readonly<Record<string, GgufEntry>>,
  tensors: readonly TensorToWrite[] = [],
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeGguf(new Map(Object.entries(metadata)), tensors)) chunks.push(chunk.slice());
  return join(...chunks);
}

/** Zeros of an F32 tensor. */
export function zeros(name: string, ...shape: number[]): TensorToWrite {
  const length = 4 * shape.reduce((product, dimension) => product * dimension, 1);
  return { name, type: "F32", shape, data: [new Uint8Array(length)] };
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export function u32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

export function u64(value: number | bigint): Uint8Array {
  return new Uint8Array(new BigUint64Array([BigInt(value)]).buffer);
}

export function text(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return join(u64(bytes.length), bytes);
}

/** Magic, version 3 and the two counts. */
export function start(tensors: number | bigint, keys: number | bigint): Uint8Array {
  return join(text("GGUF").subarray(8), u32(3), u64(tensors), u64(keys));
}

/** A key with a u32. */
export function pair(key: string, value: number): Uint8Array {
  return join(text(key), u32(4), u32(value));
}

/** A tensor's entry; dimensions in the order of the file. */
export function tensorEntry(
  name: string,
  dimensions: readonly (number | bigint)[],
  type = 0,
  offset: number | bigint = 0,
): Uint8Array {
  return join(text(name), u32(dimensions.length), ...dimensions.map(u64), u32(type), u64(offset));
}

/** Zeros up to a multiple of 32, where tensor data begins. */
export function aligned(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = join(...parts);
  return join(bytes, new Uint8Array((32 - (bytes.length % 32)) % 32));
}
