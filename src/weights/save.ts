/**
 * Writes a Hugging Face model folder: config.json, safetensors (sharded when large) and whatever text comes with them.
 * Tensors are streamed, so that no more than a chunk is in memory. What the bytes of a tensor are is the caller's matter.
 */
import { open, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { inputError, RefrainError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import { type AtomicFolderOptions, requireFree, writeFolder } from "./atomic.ts";
import { type Disk, interrupted, realDisk } from "./disk.ts";
import { openFile } from "./node-file.ts";
import { readSafetensorsHeader } from "./safetensors.ts";
import { indexFile, singleFile } from "./shards.ts";

export interface TensorToWrite {
  readonly name: string;
  readonly type: "F32" | "F16" | "BF16";
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** The bytes, in order, in pieces of any size; each is used before the next is asked for. */
  chunks(): AsyncIterable<Uint8Array>;
}

export interface FolderContent {
  /** Becomes config.json. */
  readonly config: object;
  readonly tensors: readonly TensorToWrite[];
  /** By plain file name: tokenizer.json, generation_config.json, … */
  readonly extraFiles: Readonly<Record<string, string | Uint8Array>>;
}

export interface SaveOptions {
  /** Replace a folder that Refrain wrote. Anything else that is not empty is never replaced. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** Bytes of tensors in one file. Default 5 GB, the hub's habit. */
  readonly maxShardBytes?: number;
  /** For tests. */
  readonly disk?: Disk;
}

/**
 * Writes `folder`, atomically. Errors: `output-exists`, `output-busy`, `not-writable`, `disk-full` (with the bytes that
 * are needed), `interrupted`; `save-content` where the content contradicts itself.
 */
export async function saveFolder(folder: string, content: FolderContent, options: SaveOptions = {}): Promise<void> {
  const { overwrite = false, signal, onProgress, maxShardBytes = 5e9, disk } = options;
  checkContent(content);
  const files = [...weightFiles(content.tensors, maxShardBytes), ...smallFiles(content)];
  // Whoever hands over an AbortController has its signal in the prototype, which a spread would leave behind.
  const own = { signal, onProgress, replaceable: replaceable(overwrite), ...(disk && { disk }) };
  await writeFiles(folder, files, own);
}

/** Writes `folder` with these files, atomically. Errors: those of `saveFolder`. */
export async function writeFiles(
  folder: string,
  files: readonly FileToWrite[],
  options: Pick<SaveOptions, "signal" | "onProgress" | "disk"> & Pick<AtomicFolderOptions, "replaceable">,
): Promise<void> {
  const { signal, onProgress, disk = realDisk, replaceable } = options;
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  const own = { bytes: total, signal, disk, ...(replaceable && { replaceable }) };
  await writeFolder(folder, own, async (partial) => {
    let done = 0;
    for (const file of files) {
      const handle = await open(join(partial, file.name), "wx");
      try {
        let position = 0;
        for await (const chunk of file.chunks()) {
          if (signal?.aborted) throw interrupted(`${folder} was not written.`);
          await disk.write(handle, chunk, position);
          position += chunk.length;
          done += chunk.length;
          onProgress?.({ label: "saving", done, total, unit: "bytes" });
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  });
}

/** Refuses what `saveFolder` would refuse, before any work is done. Error: `output-exists`. */
export async function requireFreeFolder(folder: string, overwrite: boolean): Promise<void> {
  await requireFree(resolve(folder), folder, replaceable(overwrite));
}

const replaceable = (overwrite: boolean) => async (existing: string) => overwrite && (await isRefrainModel(existing));

export interface FileToWrite {
  readonly name: string;
  readonly bytes: number;
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

function smallFiles({ config, extraFiles }: FolderContent): FileToWrite[] {
  return Object.entries({ ...extraFiles, "config.json": toJson(config) }).map(([name, text]) => {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    return { name, bytes: bytes.length, chunks: () => [bytes] };
  });
}

/** One file, or shards and their index. */
function weightFiles(tensors: readonly TensorToWrite[], maxShardBytes: number): FileToWrite[] {
  const shards: TensorToWrite[][] = [[]];
  let shardBytes = 0;
  for (const tensor of tensors) {
    if (shardBytes > 0 && shardBytes + tensor.byteLength > maxShardBytes) {
      shards.push([]);
      shardBytes = 0;
    }
    shards.at(-1)!.push(tensor);
    shardBytes += tensor.byteLength;
  }
  if (shards.length === 1) return [weightFile(singleFile, shards[0]!)];

  const five = (count: number) => String(count).padStart(5, "0");
  const names = shards.map((_, index) => `model-${five(index + 1)}-of-${five(shards.length)}.safetensors`);
  const weightMap = shards.flatMap((shard, index) => shard.map(({ name }) => [name, names[index]] as const));
  const index = new TextEncoder().encode(
    toJson({
      metadata: { total_size: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0) },
      weight_map: Object.fromEntries(weightMap.sort(([a], [b]) => (a < b ? -1 : 1))),
    }),
  );
  return [
    ...shards.map((shard, at) => weightFile(names[at]!, shard)),
    { name: indexFile, bytes: index.length, chunks: () => [index] },
  ];
}

const elementBytes = { F32: 4, F16: 2, BF16: 2 } as const;

/** A safetensors file; `more` is free text for its metadata. */
export function weightFile(
  name: string,
  tensors: readonly TensorToWrite[],
  more: Readonly<Record<string, string>> = {},
): FileToWrite {
  // Larger elements first, so that every tensor begins at a multiple of its element.
  const ordered = [...tensors].sort((a, b) => elementBytes[b.type] - elementBytes[a.type]);
  let end = 0;
  const entries = ordered.map(({ name, type, shape, byteLength }) => {
    const begin = end;
    end += byteLength;
    return [name, { dtype: type, shape, data_offsets: [begin, end] }] as const;
  });
  const json = JSON.stringify(Object.fromEntries([["__metadata__", { ...metadata, ...more }], ...entries]));
  const text = new TextEncoder().encode(json);
  // Spaces behind the JSON bring the data to a multiple of 8 bytes.
  const header = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(text, 8);
  return {
    name,
    bytes: header.length + end,
    chunks: async function* () {
      yield header;
      for (const tensor of ordered) yield* exactly(tensor);
    },
  };
}

/** "pt" is what transformers asks for; the writer is how we know a folder that we may replace. */
const metadata = { format: "pt", writer: "refrain" };

async function* exactly(tensor: TensorToWrite): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of tensor.chunks()) {
    bytes += chunk.length;
    if (bytes > tensor.byteLength) break;
    yield chunk;
  }
  if (bytes !== tensor.byteLength) {
    const got = bytes > tensor.byteLength ? "more" : `${bytes}`;
    throw contentError(`tensor ${tensor.name} gave ${got}, expected ${tensor.byteLength} bytes`);
  }
}

function checkContent({ tensors, extraFiles }: FolderContent): void {
  const names = new Set<string>();
  for (const { name, type, shape, byteLength } of tensors) {
    if (names.has(name) || name === "__metadata__") throw contentError(`there are two tensors ${name}`);
    names.add(name);
    const expected = shape.reduce((product, dimension) => product * dimension, elementBytes[type]);
    if (byteLength !== expected) {
      throw contentError(
        `tensor ${name} [${shape.join(", ")}] of ${type} has ${byteLength}, expected ${expected} bytes`,
      );
    }
  }
  for (const name of Object.keys(extraFiles)) {
    if (!/^[\w-][\w.-]*$/.test(name) || name === "config.json" || /^model.*\.safetensors/.test(name)) {
      throw contentError(`no extra file may be called ${JSON.stringify(name)}`);
    }
  }
}

function contentError(problem: string): RefrainError {
  return inputError("save-content", `Cannot save: ${problem}`);
}

/** True for a folder that `saveFolder` wrote and that has no folders in it, which it never makes. */
const isRefrainModel = (folder: string): Promise<boolean> => wroteIt(folder, /^model(-00001-of-\d+)?\.safetensors$/);

/** True for a folder of files that Refrain wrote, as the one whose name `weightsName` knows says. */
export async function wroteIt(folder: string, weightsName: RegExp): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true });
  const weights = entries.find(({ name }) => weightsName.test(name));
  if (weights === undefined || !entries.every((entry) => entry.isFile())) return false;
  const file = await openFile(join(folder, weights.name));
  try {
    return (await readSafetensorsHeader(file)).metadata.get("writer") === metadata.writer;
  } catch (error) {
    if (RefrainError.is(error)) return false;
    throw error;
  } finally {
    await file.close();
  }
}

export function toJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
