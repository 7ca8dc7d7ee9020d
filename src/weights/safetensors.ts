/**
 * The header of a safetensors file, which is all there is to the format:
 *
 *     8 bytes: N, little endian | N bytes of JSON, "{" first | the tensors' bytes, one after the other
 *     {"__metadata__": {text: text}, NAME: {"dtype": "BF16", "shape": [576, 64], "data_offsets": [begin, end]}, …}
 *
 * Facts from the format's own description (github.com/huggingface/safetensors). A file is believed only when its tensors
 * tile the data exactly: no gap, no overlap, nothing left. That leaves no room for a second file inside this one.
 */
import { inputError, type RefrainError } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";
import { JsonReader, shorten } from "./json-reader.ts";

export interface SafetensorsTensor {
  readonly name: string;
  /** As in the header: "F32", "BF16", "I64", … */
  readonly dtype: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** Bytes [begin, end) of the file, not of its data part. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In the order of the header. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  /** The free text under `__metadata__`. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** Bits of one element; all types that the format knows, whether Refrain computes with them or not. */
const bitsOf: ReadonlyMap<string, number> = new Map([
  ...["F64", "I64", "U64", "C64"].map((type) => [type, 64] as const),
  ...["F32", "I32", "U32"].map((type) => [type, 32] as const),
  ...["F16", "BF16", "I16", "U16"].map((type) => [type, 16] as const),
  ...["BOOL", "I8", "U8"].map((type) => [type, 8] as const),
  ...["F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"].map((type) => [type, 8] as const),
  ...["F6_E2M3", "F6_E3M2"].map((type) => [type, 6] as const),
  ["F4", 4],
]);

/** The format's own limit; without one, 8 bytes could ask for any amount of memory (CWE-789). */
const maxHeaderBytes = 100_000_000;
const maxDimensions = 8;

const downloadAgain = "The file is incomplete or damaged; copy or download it again.";

/**
 * Reads and checks the header. Errors: `safetensors-truncated`, `safetensors-header` (size, JSON, keys, metadata),
 * `safetensors-dtype`, `safetensors-shape`, `safetensors-overlap`, `safetensors-hole`, `safetensors-misaligned`,
 * `safetensors-trailing`, `git-lfs-pointer`.
 */
export async function readSafetensorsHeader(source: ByteSource): Promise<SafetensorsHeader> {
  const { name, size } = source;
  if (size < 10) {
    throw inputError("safetensors-truncated", `${name} has ${size} bytes, too few for a header`, downloadAgain);
  }
  const start = await source.read(0, 10);
  if (String.fromCharCode(...start) === "version ht") {
    const help = 'Run "git lfs pull" in the repository that it came from, or download the file itself.';
    throw inputError("git-lfs-pointer", `${name} is a Git LFS pointer, not the weights`, help);
  }
  const headerBytes = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  const headerError = (problem: string) => inputError("safetensors-header", `${name}: ${problem}`, downloadAgain);
  if (headerBytes < 2) throw headerError(`the header has ${headerBytes} bytes (at byte 0), expected at least 2`);
  if (start[8] !== 0x7b) throw headerError(`the header must begin with "{" at byte 8; this is no safetensors file`);
  if (headerBytes > maxHeaderBytes) {
    throw headerError(`the header has ${headerBytes} bytes (at byte 0), expected at most ${maxHeaderBytes}`);
  }
  if (headerBytes > size - 8) {
    const sizes = `a header of ${headerBytes} bytes (at byte 0), but the file has ${size}`;
    throw inputError("safetensors-truncated", `${name} announces ${sizes}`, downloadAgain);
  }

  const dataBegin = 8 + headerBytes;
  const json = new JsonReader(await source.read(8, dataBegin), {
    name,
    code: "safetensors-header",
    offset: 8,
    maxDepth: 4,
  });
  const tensors = new Map<string, SafetensorsTensor>();
  const metadata = new Map<string, string>();
  for (const key of json.keys()) {
    if (key === "__metadata__") for (const entry of json.keys()) metadata.set(entry, json.string());
    else tensors.set(key, readTensor(json, name, key, dataBegin));
  }
  json.end();
  checkTiling(name, tensors, dataBegin, size);
  return { tensors, metadata };
}

/** One entry of the header; the reader stands before its "{". */
function readTensor(json: JsonReader, file: string, name: string, dataBegin: number): SafetensorsTensor {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  const offsets: number[] = [];
  const label = tensorLabel(name);
  for (const key of json.keys()) {
    if (key === "dtype") dtype = json.string();
    else if (key === "shape") {
      shape = [];
      for (const index of json.items()) {
        if (index === maxDimensions) throw json.error(`${label} has more than ${maxDimensions} dimensions`);
        shape.push(json.unsigned());
      }
    } else if (key === "data_offsets") {
      for (const index of json.items()) {
        if (index === 2) throw json.error(`data_offsets of ${label} has more than 2 numbers`);
        offsets.push(json.unsigned());
      }
    } else throw json.error(`${label} has an unknown key ${JSON.stringify(shorten(key))}`);
  }
  const [begin, end] = offsets;
  if (dtype === undefined || shape === undefined || begin === undefined || end === undefined) {
    throw json.error(`${label} needs dtype, shape and data_offsets [begin, end]`);
  }
  if (begin > end || !Number.isSafeInteger(dataBegin + end)) {
    throw json.error(`${label} has impossible data_offsets [${begin}, ${end}]`);
  }

  const where = `${file}: ${label} (bytes ${dataBegin + begin} to ${dataBegin + end})`;
  const bits = bitsOf.get(dtype);
  if (bits === undefined) throw inputError("safetensors-dtype", `${where} has an unknown dtype ${shorten(dtype)}`);
  let totalBits = bits;
  let overflows = false;
  for (const dimension of shape) {
    totalBits *= dimension;
    // Asked at every step, for a zero that follows must not hide an overflow.
    overflows ||= !Number.isSafeInteger(totalBits);
  }
  const dimensions = `[${shape.join(", ")}]`;
  if (overflows) throw inputError("safetensors-shape", `${where}: shape ${dimensions} of ${dtype} overflows`);
  if (totalBits !== (end - begin) * 8) {
    const expected = `shape ${dimensions} of ${dtype} takes ${totalBits / 8} bytes, data_offsets give ${end - begin}`;
    throw inputError("safetensors-shape", `${where}: ${expected}`);
  }
  if (bits >= 8 && begin % (bits / 8) !== 0) {
    throw inputError(
      "safetensors-misaligned",
      `${where}: ${dtype} must begin at a multiple of ${bits / 8} in the data`,
    );
  }
  return { name, dtype, shape, begin: dataBegin + begin, end: dataBegin + end };
}

/** The tensors must cover the data part exactly, each byte once. */
function checkTiling(file: string, tensors: ReadonlyMap<string, SafetensorsTensor>, dataBegin: number, size: number) {
  const where = (tensor: SafetensorsTensor) => `${tensorLabel(tensor.name)} (bytes ${tensor.begin} to ${tensor.end})`;
  const problem = (code: string, message: string): RefrainError =>
    inputError(`safetensors-${code}`, `${file}: ${message}`, downloadAgain);
  let covered = dataBegin;
  let previous: SafetensorsTensor | undefined;
  for (const tensor of [...tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (tensor.end > size) throw problem("truncated", `${where(tensor)} lies beyond the end of the file, byte ${size}`);
    if (tensor.begin < covered) throw problem("overlap", `${where(tensor)} overlaps ${where(previous ?? tensor)}`);
    if (tensor.begin > covered) {
      throw problem("hole", `bytes ${covered} to ${tensor.begin}, before ${where(tensor)}, belong to no tensor`);
    }
    covered = tensor.end;
    previous = tensor;
  }
  if (covered < size) throw problem("trailing", `bytes ${covered} to ${size} belong to no tensor`);
}

function tensorLabel(name: string): string {
  return `tensor ${JSON.stringify(shorten(name))}`;
}
