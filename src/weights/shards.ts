/**
 * The safetensors files of a Hugging Face folder, seen as one: `model.safetensors`, or the shards that
 * `model.safetensors.index.json` lists as {"weight_map": {TENSOR: FILE}}. Only headers are read here.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { inputError } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";
import { JsonReader, shorten } from "./json-reader.ts";
import { openFile, readSmallFile } from "./node-file.ts";
import { readSafetensorsHeader, type SafetensorsHeader, type SafetensorsTensor } from "./safetensors.ts";

export const singleFile = "model.safetensors";
export const indexFile = "model.safetensors.index.json";

/** Where a tensor's bytes are. */
export interface PlacedTensor extends SafetensorsTensor {
  readonly file: ByteSource;
}

export interface Shards {
  /** By the name in the file. */
  readonly tensors: ReadonlyMap<string, PlacedTensor>;
  close(): Promise<void>;
}

/** Where the files of a model are, if they are not all in a folder of this machine. */
export interface ShardFiles {
  /** Their plain names. */
  readonly names: readonly string[];
  open(name: string): Promise<ByteSource>;
}

/** Every shard stays open while the model is, so there must be fewer than a process may have files (often 1024). */
const maxShards = 512;
/** The largest public models have an index of 10 MB. */
export const maxIndexBytes = 32 << 20;

/**
 * Opens the weights of a folder, or one safetensors file in it. The index is read from the folder in any case. Errors: `weights-missing`, `weights-index`,
 * `shard-missing`, `shard-tensor-missing`, those of `openFile` and of `readSafetensorsHeader`.
 */
export async function openShards(folder: string, file?: string, files?: ShardFiles): Promise<Shards> {
  const present = new Set(files?.names ?? (await readdir(folder)));
  const open = files?.open ?? ((name: string) => openFile(join(folder, name)));
  const single = file ?? (present.has(singleFile) ? singleFile : undefined);
  if (single !== undefined) return openAll(folder, open, [single]);
  if (!present.has(indexFile)) throw noWeights(folder, [...present]);

  const path = join(folder, indexFile);
  const weightMap = readIndex(await readSmallFile(path, maxIndexBytes), path);
  const shards = [...new Set(weightMap.values())].sort();
  if (shards.length === 0) throw inputError("weights-index", `${path} lists no tensors`);
  if (shards.length > maxShards) {
    throw inputError("weights-index", `${path} lists ${shards.length} files, expected at most ${maxShards}`);
  }
  const missing = shards.filter((shard) => !present.has(shard));
  if (missing.length > 0) {
    throw inputError(
      "shard-missing",
      `${folder} lacks ${missing.length} of the ${shards.length} files that ${indexFile} lists: ${some(missing)}`,
      "Download the missing files into the folder.",
    );
  }
  return openAll(folder, open, shards, weightMap);
}

/** The names of the shards in an index, by tensor. Errors: `weights-index`. */
export function readIndex(bytes: Uint8Array, path: string): Map<string, string> {
  const json = new JsonReader(bytes, { name: path, code: "weights-index" });
  const weightMap = new Map<string, string>();
  for (const key of json.keys()) {
    if (key !== "weight_map") json.value();
    else {
      for (const tensor of json.keys()) {
        const shard = json.string();
        // A name with a folder in it could point out of the model's own folder (CWE-22).
        if (!/^[\w-][\w.-]*\.safetensors$/.test(shard)) {
          const where = `tensor ${JSON.stringify(shorten(tensor))} is in ${JSON.stringify(shorten(shard))}`;
          throw json.error(`${where}, expected the plain name of a safetensors file`);
        }
        weightMap.set(tensor, shard);
      }
    }
  }
  json.end();
  return weightMap;
}

/** Where `weightMap` is given, a tensor counts only in the shard that the index names. */
async function openAll(
  folder: string,
  open: ShardFiles["open"],
  names: readonly string[],
  weightMap?: ReadonlyMap<string, string>,
): Promise<Shards> {
  const files: ByteSource[] = [];
  const close = async () => {
    await Promise.all(files.splice(0).map((file) => file.close()));
  };
  try {
    const tensors = new Map<string, PlacedTensor>();
    const headers = new Map<string, SafetensorsHeader>();
    for (const name of names) {
      const file = await open(name);
      files.push(file);
      const header = await readSafetensorsHeader(file);
      headers.set(name, header);
      for (const tensor of header.tensors.values()) {
        if ((weightMap?.get(tensor.name) ?? name) === name) tensors.set(tensor.name, { ...tensor, file });
      }
    }
    for (const [tensor, shard] of weightMap ?? []) {
      if (headers.get(shard)?.tensors.has(tensor)) continue;
      const message = `${join(folder, shard)} has no tensor ${JSON.stringify(shorten(tensor))}, which ${indexFile} places there`;
      throw inputError("shard-tensor-missing", message, "The files belong to different versions; download them again.");
    }
    return { tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function noWeights(folder: string, present: readonly string[]) {
  const pickles = present.filter((name) => /^pytorch_model.*\.bin$/.test(name));
  const others = present.filter((name) => name.endsWith(".safetensors") || name.endsWith(".gguf"));
  const found = pickles.length > 0 ? `, only PyTorch's ${some(pickles)}` : "";
  const help =
    pickles.length > 0
      ? "Refrain does not run pickles. Convert them: in Python, model.save_pretrained(folder, safe_serialization=True)."
      : others.length > 0
        ? `Name the file instead of the folder: ${others
            .slice(0, 3)
            .map((name) => join(folder, name))
            .join(", ")}`
        : undefined;
  return inputError("weights-missing", `${folder} has neither ${singleFile} nor ${indexFile}${found}`, help);
}

function some(names: readonly string[]): string {
  return names.length <= 3 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
}
