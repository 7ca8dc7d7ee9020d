/**
 * A schedule of a checkpoint as one GGUF file with its tokenizer: what the schedule plays, each block once, and the schedule in
 * `refrain.schedule`; or unrolled, every played block written out, which llama.cpp plays too.
 */
import { mkdir, open, realpath, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { inputError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import type { Steps } from "../schedule/schedule.ts";
import { exportedTokenizer } from "../text/export-tokenizer.ts";
import type { Checkpoint, StoredType } from "../weights/checkpoint.ts";
import { type Disk, interrupted, realDisk } from "../weights/disk.ts";
import { type Architecture, hubName, storedName } from "../weights/gguf-names.ts";
import { type GgufEntry, ggufLength, type TensorToWrite, tensorBytes, writeGguf } from "../weights/gguf-write.ts";
import { isSystemError } from "../weights/node-file.ts";
import { replaceFile } from "../weights/replace-file.ts";
import type { ModelConfig } from "./config.ts";
import { exportedType, exportTensor, isKeptWide } from "./export-tensor.ts";
import { familyOf } from "./families.ts";
import { ggufArchitecture, ggufMetadata, playedWindows } from "./gguf-metadata.ts";
import { findTensor, type WeightChoice } from "./load-weights.ts";
import { ropeFactors } from "./rope.ts";
import { layoutOf } from "./save-model.ts";

export interface ExportOptions {
  /** How matrices are written; without it, as the model has them. */
  readonly weights?: Exclude<WeightChoice, "file"> | undefined;
  /** Write every played block out, so that tools without schedules play the same model. */
  readonly unrolled?: boolean;
  /** Replace a GGUF file. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** For tests. */
  readonly disk?: Disk;
}

export interface Exported {
  readonly bytes: number;
  /** The schedule in the file, which numbers blocks anew; undefined where it plays each block once. */
  readonly schedule: string | undefined;
  /** Of the bytes, what stands before the weights: names, and most of all the tokenizer. */
  readonly headerBytes: number;
  /** Bytes of tensors by type. */
  readonly types: Readonly<Partial<Record<StoredType, number>>>;
  /** Matrices that stay in 16 bits, because their rows are no whole blocks of 32. */
  readonly keptWide: readonly string[];
  /** The kind of the tokenizer, "gpt2" or "llama"; undefined where the model has none. */
  readonly tokenizer: string | undefined;
}

/**
 * Writes `path`, whole or not at all. Errors: `export-…` for what GGUF has no form for, `output-exists`, `output-is-source`,
 * `disk-full`, `not-writable`, `interrupted`, `schedule-unroll`, and those of reading the checkpoint.
 */
export async function exportGguf(
  path: string,
  checkpoint: Checkpoint,
  config: ModelConfig,
  steps: Steps,
  options: ExportOptions = {},
): Promise<Exported> {
  const { weights = "file", unrolled = false, overwrite = false, signal, onProgress, disk = realDisk } = options;
  await requireReplaceable(path, checkpoint.path, overwrite);
  const layout = layoutOf(steps, unrolled);
  const architecture = ggufArchitecture(config, checkpoint.path);
  const windows = playedWindows(config, steps);
  const placed = { steps: layout.steps, blocks: layout.blocks.length, windows, path: checkpoint.path };
  const vocabulary = await checkpoint.vocabulary();
  const tokenizer = vocabulary && exportedTokenizer(vocabulary, config.vocabSize);
  const metadata: Map<string, GgufEntry> = new Map([...ggufMetadata(config, placed), ...(tokenizer ?? [])]);

  const keptWide: string[] = [];
  const family = familyOf(config);
  const tensors: TensorToWrite[] = [];
  const add = (parameter: ReturnType<typeof family.outer>[number], name: string) => {
    const tensor = findTensor(checkpoint, parameter);
    if (isKeptWide(parameter, weights)) keptWide.push(name);
    const target = targetOf(architecture, config, name);
    const type = exportedType(parameter, tensor.type, weights);
    tensors.push(exportTensor(checkpoint, tensor, parameter, { ...target, type }));
  };
  for (const parameter of family.outer(config)) add(parameter, parameter.name);
  const { kind } = config.rope.scaling;
  if (kind === "llama3" || kind === "factors") tensors.push(factorsTensor(config));
  for (const [block, source] of layout.blocks.entries()) {
    for (const half of ["attention", "ffn"] as const) {
      const from = source[half];
      if (from === undefined) continue;
      for (const parameter of family.block(config, from)) {
        if (parameter.half === half) add(parameter, family.rename(parameter.name, from, block));
      }
    }
  }

  const total = ggufLength(metadata, tensors);
  await mkdir(dirname(resolve(path)), { recursive: true });
  await replaceFile(path, total, watched(path, writeGguf(metadata, tensors), total, { signal, onProgress }), disk);
  return {
    bytes: total,
    schedule: metadata.get("refrain.schedule")?.[1] as string | undefined,
    headerBytes: ggufLength(metadata, []),
    types: bytesByType(tensors),
    keptWide,
    tokenizer: metadata.get("tokenizer.ggml.model")?.[1] as string | undefined,
  };
}

function targetOf(architecture: Architecture, config: ModelConfig, hub: string) {
  const name = storedName(architecture, hub);
  if (name === undefined) throw new Error(`${architecture} has no name for ${hub}`);
  const { interleaved } = hubName(architecture, name)!;
  const heads = { query: config.heads, key: config.kvHeads };
  return { name, interleaved: interleaved && heads[interleaved] };
}

/** What Llama 3 divides its rotary frequencies by. */
function factorsTensor({ rope, headWidth }: ModelConfig): TensorToWrite {
  const factors = ropeFactors(rope, headWidth);
  return { name: "rope_freqs.weight", type: "F32", shape: [factors.length], data: [new Uint8Array(factors.buffer)] };
}

async function* watched(
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  total: number,
  { signal, onProgress }: Pick<ExportOptions, "signal" | "onProgress">,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of chunks) {
    if (signal?.aborted) throw interrupted(`${path} was not written.`);
    yield chunk;
    done += chunk.length;
    onProgress?.({ label: "exporting", done, total, unit: "bytes" });
  }
}

/** A path that is free, or a GGUF file where that may be replaced. Errors: `output-exists`, `output-is-source`. */
export async function requireReplaceable(path: string, source: string, overwrite: boolean): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (found.isDirectory()) {
    throw inputError(
      "output-exists",
      `${path} is a folder, expected a name for a file`,
      `Name it ${basename(path)}.gguf.`,
    );
  }
  const [from, to] = await Promise.all([realpath(source).catch(() => resolve(source)), realpath(path)]);
  if (from === to) {
    throw inputError("output-is-source", `${path} is where the model comes from`, "Choose another name.");
  }
  if (overwrite && (await isGguf(path))) return;
  throw inputError(
    "output-exists",
    `${path} exists`,
    "Choose another name. Only a GGUF file is ever replaced, and only with overwrite.",
  );
}

async function isGguf(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(new Uint8Array(4), 0, 4, 0);
    return new TextDecoder().decode(buffer) === "GGUF";
  } finally {
    await file.close();
  }
}

function bytesByType(tensors: readonly TensorToWrite[]): Exported["types"] {
  const types: Partial<Record<StoredType, number>> = {};
  for (const tensor of tensors) types[tensor.type] = (types[tensor.type] ?? 0) + tensorBytes(tensor);
  return types;
}
