/** Opens a model by whatever name a person has for it: a folder, a file, or a place on the hub. */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { inputError, type RefrainError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { ggufCheckpoint } from "./gguf.ts";
import { isHubName } from "./hub-name.ts";
import { openHuggingFace } from "./huggingface.ts";
import { openLlama2c } from "./llama2c.ts";
import { openFile } from "./node-file.ts";

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of a download; opening itself takes no time worth a bar. */
  readonly onProgress?: OnProgress | undefined;
  /** No weights will be read: a model on the hub is not downloaded for this. */
  readonly headerOnly?: boolean | undefined;
}

/**
 * `name` is a Hugging Face folder, a safetensors file in one, a GGUF file, a llama2.c `.bin`, a folder with one of these
 * two in it, or `hf:org/name[/file][@revision]`. Errors: `model-missing`, `model-format`, `model-ambiguous`, and those of
 * the readers and of `fetchFromHub`.
 */
export async function openCheckpoint(name: string, options: OpenOptions = {}): Promise<Checkpoint> {
  if (isHubName(name)) {
    // The client of the hub is loaded by those alone who ask for it.
    if (options.headerOnly) {
      const { openHubHeader } = await import("./hub-header.ts");
      const remote = await openHubHeader(name, options);
      if (remote) return remote;
    }
    const { fetchFromHub } = await import("./hub.ts");
    return openPath(await fetchFromHub(name, options));
  }
  return openPath(name);
}

async function openPath(path: string): Promise<Checkpoint> {
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined) throw missing(path);
  return stats.isDirectory() ? openFolder(path) : openModelFile(path);
}

async function openFolder(folder: string): Promise<Checkpoint> {
  const names = await readdir(folder);
  const models = names.filter((name) => /\.(gguf|bin)$/.test(name) && !/^(tok|pytorch_model)/.test(name)).sort();
  if (names.includes("config.json") || models.length === 0) return openHuggingFace(folder);
  if (models.length === 1) return openModelFile(join(folder, models[0]!));
  const help = "Name one of the files instead of the folder.";
  throw inputError("model-ambiguous", `${folder} holds several models: ${models.slice(0, 8).join(", ")}`, help);
}

/** By what the file begins with, where a format says so there; names of files are often wrong. */
async function openModelFile(path: string): Promise<Checkpoint> {
  const file = await openFile(path);
  let start: string;
  try {
    start = String.fromCharCode(...(await file.read(0, Math.min(4, file.size))));
  } finally {
    await file.close();
  }
  if (start === "GGUF" || path.endsWith(".gguf")) return ggufCheckpoint(await openFile(path));
  if (path.endsWith(".safetensors")) {
    // A shard stands for the whole model.
    return openHuggingFace(dirname(path), ...(/-of-\d+\.safetensors$/.test(path) ? [] : [basename(path)]));
  }
  if (isPickle(start)) {
    const help = "Convert it to safetensors: in Python, model.save_pretrained(folder, safe_serialization=True).";
    throw inputError("model-format", `${path} is a PyTorch pickle, which Refrain does not run`, help);
  }
  if (path.endsWith(".bin")) return openLlama2c(path);
  const help = "Refrain reads Hugging Face folders with safetensors, GGUF files (.gguf) and llama2.c files (.bin).";
  throw inputError("model-format", `${path} is no model file that Refrain knows`, help);
}

/** A zip archive, or the older bare pickle. A llama2.c file may begin as the latter does (640 is 80 02 00 00), but for the zero. */
function isPickle(start: string): boolean {
  return start === "PK\u0003\u0004" || (start.startsWith("\u0080\u0002") && start.charCodeAt(2) !== 0);
}

function missing(path: string): RefrainError {
  const looksLikeHub = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*(\/[^/]+\.gguf)?$/.test(path);
  const help = looksLikeHub
    ? `If you mean the model on the Hugging Face hub, write hf:${path}`
    : "Check the path; a model on the Hugging Face hub is written hf:org/name.";
  return inputError("model-missing", `There is no file or folder ${path}`, help);
}
