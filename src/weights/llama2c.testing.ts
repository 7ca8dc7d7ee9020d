/** For tests: small files of llama2.c in memory. */

export interface Llama2cSizes {
  readonly dim: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Negative in version 0: with an output matrix of its own. */
  readonly vocabulary: number;
  readonly context: number;
}

export const small: Llama2cSizes = { dim: 8, hidden: 12, layers: 2, heads: 2, kvHeads: 1, vocabulary: 5, context: 3 };

/** Version 0: the header and `floats` f32, which count up from 0. */
export function version0({ sizes = small, floats = 1000 }: { sizes?: Llama2cSizes; floats?: number } = {}): Uint8Array {
  return bytesOf(Int32Array.from(Object.values(sizes)), countUp(floats));
}

/** Version 1 (or what `version` says) in the same way. */
export function version1({
  sizes = small,
  floats = 1000,
  tied = true,
  version = 1,
}: {
  sizes?: Llama2cSizes;
  floats?: number;
  tied?: boolean;
  version?: number;
} = {}): Uint8Array {
  const header = new Int32Array(64);
  header.set([0x616b3432, version, ...Object.values(sizes), Number(tied)]);
  return bytesOf(header, countUp(floats));
}

function countUp(floats: number): Float32Array {
  return Float32Array.from({ length: floats }, (_, index) => index);
}

function bytesOf(...parts: readonly (Int32Array | Float32Array)[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map((part) => new Uint8Array(part.buffer))));
}
