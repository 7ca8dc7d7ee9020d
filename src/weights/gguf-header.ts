/**
 * Reads the header of a GGUF file (versions 2 and 3, little-endian): the metadata and where each tensor lies. Format:
 * ggml, docs/gguf.md. Not here: what the metadata means (`gguf-config.ts`), the tensor data.
 *
 * Every count in the file is a claim. Nothing is reserved for it before the bytes that it would need are known to be in the
 * file, so memory stays within a small multiple of the header, and that within `maxHeaderBytes`. The other caps lie well
 * above any known model. (CWE-770 and CWE-190 are where the parsers before this one were hurt.)
 */
import { inputError } from "../errors.ts";
import { ByteCursor } from "./byte-cursor.ts";
import type { ByteSource } from "./byte-source.ts";
import type { StoredType } from "./checkpoint.ts";
import { typeInfo } from "./dequantize.ts";
import { alignUp, defaultAlignment, otherTensorTypes, tensorTypes } from "./gguf-types.ts";
import { duplicateError, type GgufValue, limitError, quote, readMetadata, readName } from "./gguf-values.ts";

const maxHeaderBytes = 64 << 20;
const maxKeys = 1 << 16;
const maxTensors = 1 << 17;
const maxTensorNameBytes = 1024;
const maxDimensions = 4;

/** The least that a key with its value, and a tensor's entry, can take. */
const minKeyBytes = 8 + 4 + 1;
const minTensorBytes = 8 + 4 + 8 + 4 + 8;

export interface GgufTensor {
  readonly name: string;
  readonly type: StoredType;
  /** Outermost dimension first: the file's order, reversed. */
  readonly shape: readonly number[];
  /** Offset of the first byte in the file. */
  readonly begin: number;
  readonly byteLength: number;
}

export interface GgufHeader {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** In the order of the file, which is also the order of their data. */
  readonly tensors: readonly GgufTensor[];
}

/** Throws input errors with the codes `gguf-…` for everything that is not a well-formed file. */
export async function readGgufHeader(source: ByteSource): Promise<GgufHeader> {
  const cursor = new ByteCursor(source, "gguf", maxHeaderBytes);
  const version = await readVersion(cursor, source.name);
  await cursor.need(16, "the counts of tensors and keys");
  const tensorCount = cursor.count();
  const keyCount = cursor.count();
  if (keyCount > maxKeys || tensorCount > maxTensors) {
    throw limitError(source, `${keyCount} keys and ${tensorCount} tensors`, `${maxKeys} and ${maxTensors}`);
  }
  const least = keyCount * minKeyBytes + tensorCount * minTensorBytes;
  if (least > cursor.remaining) throw cursor.tooShort(least, `the header of ${keyCount} keys, ${tensorCount} tensors`);
  const metadata = await readMetadata(cursor, source, keyCount);
  const alignment = readAlignment(metadata, source.name);
  const entries = await readEntries(cursor, source, tensorCount);
  const tensors = placeTensors(entries, source, alignUp(cursor.position, alignment), alignment);
  return { version, metadata, tensors };
}

async function readVersion(cursor: ByteCursor, file: string): Promise<number> {
  await cursor.need(8, "the start of the header");
  const magic = cursor.u32();
  if (magic === 0x73726576) {
    const help = 'Run "git lfs pull" in the repository that it came from, or download the file itself.';
    throw inputError("git-lfs-pointer", `${file} is a Git LFS pointer, not the weights`, help);
  }
  if (magic !== 0x46554747) {
    throw inputError("gguf-magic", `${file}: not a GGUF file (it does not start with "GGUF")`);
  }
  const version = cursor.u32();
  if (version === 2 || version === 3) return version;
  if ((version & 0xffff) === 0) {
    throw inputError(
      "gguf-big-endian",
      `${file}: this GGUF file is big-endian (byte 4 on)`,
      "Refrain reads little-endian files. Take the ordinary file of this model, or convert it: gguf-convert-endian FILE little.",
    );
  }
  throw inputError(
    "gguf-version",
    `${file}: GGUF version ${version} (byte 4); versions 2 and 3 are known`,
    "Convert the model again with a current llama.cpp.",
  );
}

interface TensorEntry {
  readonly name: string;
  /** Offset of the entry in the file, for messages. */
  readonly at: number;
  readonly type: StoredType;
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** As stated in the file: from the start of the tensor data. */
  readonly offset: number;
}

async function readEntries(cursor: ByteCursor, source: ByteSource, count: number): Promise<TensorEntry[]> {
  const entries: TensorEntry[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const at = cursor.position;
    const name = await readName(cursor, source, `the name of tensor ${i}`, maxTensorNameBytes);
    if (names.has(name)) throw duplicateError(source, `the tensor ${quote(name)}`, at);
    names.add(name);
    await cursor.need(4, `the dimensions of ${quote(name)}`);
    const dimensions = cursor.u32();
    if (dimensions < 1 || dimensions > maxDimensions) {
      throw shapeError(source, name, at, `has ${dimensions} dimensions; 1 to ${maxDimensions} are known`);
    }
    await cursor.need(8 * dimensions + 12, `the dimensions of ${quote(name)}`);
    const shape: bigint[] = [];
    while (shape.length < dimensions) shape.unshift(cursor.u64());
    const type = readTensorType(cursor.u32(), source, name, at);
    const byteLength = bytesOf(type, shape, source, name, at);
    entries.push({ name, at, type, shape: shape.map(Number), byteLength, offset: cursor.count() });
  }
  return entries;
}

function readTensorType(id: number, source: ByteSource, name: string, at: number): StoredType {
  const type = tensorTypes.get(id);
  if (type !== undefined) return type;
  const known = otherTensorTypes.get(id);
  throw inputError(
    "gguf-tensor-type",
    `${source.name}: the tensor ${quote(name)} (entry at byte ${at}) is stored as ${known ?? `the unknown type ${id}`}`,
    `Take another file of this model: Refrain reads ${[...tensorTypes.values()].join(", ")}.`,
  );
}

/** In bigints, since four dimensions of 64 bits multiply to anything. */
function bytesOf(type: StoredType, shape: readonly bigint[], source: ByteSource, name: string, at: number): number {
  const { block, bytes } = typeInfo[type];
  const row = shape[shape.length - 1]!;
  const elements = shape.reduce((product, dimension) => product * dimension, 1n);
  if (elements === 0n) throw shapeError(source, name, at, `has the shape [${shape.join(", ")}], which is empty`);
  if (row % BigInt(block) !== 0n) {
    throw shapeError(source, name, at, `has rows of ${row} weights; ${type} needs a multiple of ${block}`);
  }
  const length = (elements / BigInt(block)) * BigInt(bytes);
  if (length > BigInt(source.size)) {
    throw shapeError(
      source,
      name,
      at,
      `has the shape [${shape.join(", ")}], ${length} bytes of ${type}, in a file of ${source.size} bytes`,
    );
  }
  return Number(length);
}

/** Tensors must lie one after the other without holes, as ggml demands; so they cannot overlap either. */
function placeTensors(
  entries: readonly TensorEntry[],
  source: ByteSource,
  dataBegin: number,
  alignment: number,
): GgufTensor[] {
  let expected = 0;
  return entries.map(({ name, at, type, shape, byteLength, offset }) => {
    if (offset !== expected) {
      const fault =
        offset % alignment !== 0
          ? `is not a multiple of the alignment, ${alignment}`
          : offset < expected
            ? `overlaps the tensor before it, which ends at ${expected}`
            : `leaves a hole behind the tensor before it, which ends at ${expected}`;
      throw inputError(
        "gguf-tensor-offset",
        `${source.name}: the data offset ${offset} of the tensor ${quote(name)} (entry at byte ${at}) ${fault}`,
        "The file is damaged, or its writer is wrong: tensors lie one after the other.",
      );
    }
    const begin = dataBegin + offset;
    if (begin + byteLength > source.size) {
      throw inputError(
        "gguf-truncated",
        `${source.name}: the tensor ${quote(name)} ends at byte ${begin + byteLength}, but the file at byte ${source.size}`,
        "The file is damaged or only partly downloaded: fetch it again.",
      );
    }
    expected = alignUp(offset + byteLength, alignment);
    return { name, type, shape, begin, byteLength };
  });
}

function readAlignment(metadata: ReadonlyMap<string, GgufValue>, file: string): number {
  const alignment = metadata.get("general.alignment") ?? defaultAlignment;
  if (typeof alignment === "number" && alignment > 0 && Number.isInteger(Math.log2(alignment))) return alignment;
  throw inputError(
    "gguf-alignment",
    `${file}: "general.alignment" is ${String(alignment).slice(0, 40)}; it must be a power of two`,
  );
}

function shapeError(source: ByteSource, name: string, at: number, fault: string): Error {
  return inputError("gguf-tensor-shape", `${source.name}: the tensor ${quote(name)} (entry at byte ${at}) ${fault}`);
}
