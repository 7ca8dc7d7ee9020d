/**
 * Models from the Hugging Face hub: a name becomes a path in the cache that Python's users have already.
 *
 * What is in the cache is used as it is, without asking the hub whether there is something newer: a command that worked
 * once works again, anywhere. Who wants the newest names its commit: `hf:org/name@COMMIT`.
 */
import { datasetInfo, type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { failure, inputError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import { realDisk, requireSpace } from "./disk.ts";
import { HubCache } from "./hub-cache.ts";
import { HubClient, isUnreachable } from "./hub-client.ts";
import { download, type RemoteFile } from "./hub-download.ts";
import { type HubName, parseHubName } from "./hub-name.ts";
import { readSmallFile } from "./node-file.ts";
import { indexFile, maxIndexBytes, readIndex, singleFile } from "./shards.ts";

export interface HubOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** What a model folder may have besides its weights; only config.json must be there. */
const sideFiles = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
];

/**
 * The local folder or file of `hf:org/name[/file][@revision]`, fetched where it is not there yet. Environment: HF_HOME,
 * HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE. Errors: `hub-name`, `hub-not-found`, `hub-revision`, `hub-gated`,
 * `hub-file-missing`, `hub-no-weights`, `hub-unreachable`, `hub-interrupted`, `hub-checksum`, `hub-size`, `hub-error`,
 * `disk-full`, `interrupted`.
 */
export async function fetchFromHub(text: string, options: HubOptions = {}): Promise<string> {
  const name = parseHubName(text);
  const cache = new HubCache(name.repository);
  const cached = await findCached(name, cache);
  if (cached?.isWhole) return cached.path;
  try {
    return await fetchModel(name, cache, options);
  } catch (error) {
    // Only niceties are unknown, such as a chat template: without the hub, the model does without them.
    if (cached !== undefined && isUnreachable(error)) return cached.path;
    throw error;
  }
}

/** What the cache has of a model that could be opened; whole where the hub has nothing more. */
export async function findCached({ path, revision }: HubName, cache: HubCache) {
  const commit = await cache.commitOf(revision);
  if (commit === undefined) return undefined;
  if (isFile(path)) {
    return cache.has(commit, path) ? { path: cache.snapshot(commit, path), isWhole: true } : undefined;
  }
  const at = within(path);
  const weights = [singleFile];
  if (!cache.has(commit, at(singleFile)) && cache.has(commit, at(indexFile))) {
    weights.splice(0, 1, ...(await shardsOf(cache.snapshot(commit, at(indexFile)))));
  }
  if (![...weights, "config.json"].every((file) => cache.has(commit, at(file)))) return undefined;
  const isWhole = sideFiles.every((file) => cache.has(commit, at(file)) || cache.isKnownAbsent(commit, at(file)));
  return { path: cache.snapshot(commit, path), isWhole };
}

/** A repository as it is at one commit. */
export interface Repository {
  readonly client: HubClient;
  readonly commit: string;
  /** The files of the folder that is asked for, by their paths in the repository. */
  readonly listing: ReadonlyMap<string, RemoteFile>;
  url(file: RemoteFile): string;
  /** Brings files into the cache. */
  fetchAll(files: readonly RemoteFile[]): Promise<void>;
}

/** Asks the hub what there is; fetches nothing yet. */
export async function openRepository(
  { repository, path, revision, kind }: HubName,
  cache: HubCache,
  { signal, onProgress }: HubOptions,
): Promise<Repository> {
  const client = new HubClient(kind === "dataset" ? `datasets/${repository}` : repository, signal);
  const access = { hubUrl: client.url, fetch: client.fetch };
  const about = { ...access, name: repository, revision, additionalFields: ["sha" as const] };
  const { sha: commit } = kind === "dataset" ? await datasetInfo(about) : await modelInfo(about);
  if (!/^[0-9a-f]{40}$/.test(commit)) throw failure("hub-error", `${client.url} gave no commit for ${repository}`);

  const folder = isFile(path) ? path.split("/").slice(0, -1).join("/") : path;
  const listing = new Map<string, RemoteFile>();
  const where = folder ? { path: folder } : {};
  const repo = { type: kind ?? "model", name: repository } as const;
  for await (const entry of listFiles({ ...access, ...where, repo, revision: commit })) {
    const file = remoteFile(entry);
    if (file !== undefined) listing.set(file.path, file);
  }

  const url = (file: RemoteFile) =>
    `${client.url}/${client.repository}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
  let done = 0;
  let total = 0;
  const fetchAll = async (files: readonly RemoteFile[]) => {
    const missing = files.filter((file) => !cache.has(commit, file.path));
    const bytes = missing.reduce((sum, file) => sum + file.size, 0);
    total += bytes;
    await requireSpace(realDisk, await cache.makeRoot(), bytes);
    for (const file of missing) {
      await cache.fill(file.etag, (place) =>
        download(client, url(file), file, place, (arrived) => {
          onProgress?.({ label: `downloading ${repository}`, done: done + arrived, total, unit: "bytes" });
        }),
      );
      await cache.link(commit, file.path, file.etag);
      done += file.size;
    }
  };
  return { client, commit, listing, url, fetchAll };
}

async function fetchModel(name: HubName, cache: HubCache, options: HubOptions): Promise<string> {
  const { path, revision } = name;
  const { client, commit, listing, fetchAll } = await openRepository(name, cache, options);
  if (isFile(path)) await fetchAll(filesBeside(path, listing, client));
  else {
    const at = within(path);
    const side = sideFiles.map(at);
    const weights = listing.get(at(singleFile)) ?? listing.get(at(indexFile));
    if (weights === undefined || !listing.has(at("config.json"))) throw noWeights(name, [...listing.keys()]);
    await fetchAll(side.flatMap((file) => listing.get(file) ?? []));
    for (const file of side) if (!listing.has(file)) await cache.markAbsent(commit, file);
    await fetchAll([weights]);
    if (weights.path === at(indexFile)) {
      const shards = (await shardsOf(cache.snapshot(commit, at(indexFile)))).map(at);
      await fetchAll(shards.map((shard) => listing.get(shard) ?? missingFile(client, shard)));
    }
  }
  await cache.setRevision(revision, commit);
  return cache.snapshot(commit, path);
}

/** A single file is named as such; any other path is a folder of the repository. */
export function isFile(path: string | undefined): path is string {
  return path !== undefined && /\.(gguf|bin)$/.test(path);
}

export function within(folder: string | undefined): (file: string) => string {
  return (file) => (folder === undefined ? file : `${folder}/${file}`);
}

async function shardsOf(index: string): Promise<string[]> {
  return [...new Set(readIndex(await readSmallFile(index, maxIndexBytes), index).values())];
}

/** An entry of the hub's listing, if it is a file that a cache can hold: its hash becomes a file name here. */
function remoteFile({ type, path, size, oid, lfs }: ListFileEntry): RemoteFile | undefined {
  const etag = lfs?.oid ?? oid ?? "";
  if (type !== "file" || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) || !Number.isSafeInteger(size)) return undefined;
  return { path, size, etag };
}

/** The file, and before it the tokenizers that llama2.c keeps beside its models. */
function filesBeside(path: string, listing: ReadonlyMap<string, RemoteFile>, client: HubClient): RemoteFile[] {
  const file = listing.get(path) ?? missingFile(client, path, [...listing.keys()]);
  const isTokenizer = (other: string) => path.endsWith(".bin") && /(^|\/)tok\w*\.bin$/.test(other);
  return [...[...listing.values()].filter((other) => isTokenizer(other.path) && other !== file), file];
}

function missingFile(client: HubClient, path: string, others: readonly string[] = []): never {
  const models = others.filter(isFile);
  const help = models.length > 0 ? `It has ${models.slice(0, 8).join(", ")}.` : undefined;
  throw inputError("hub-file-missing", `${client.url}/${client.repository} has no file ${path}`, help);
}

function noWeights({ repository, path }: HubName, files: readonly string[]) {
  const gguf = files.filter((file) => file.endsWith(".gguf"));
  const pickles = files.some((file) => /pytorch_model.*\.bin$/.test(file));
  const help =
    gguf.length > 0
      ? `Name one of its GGUF files: ${gguf
          .slice(0, 4)
          .map((file) => `hf:${repository}/${file}`)
          .join(", ")}`
      : pickles
        ? "It has PyTorch pickles only, which Refrain does not run; look for a copy in safetensors or GGUF."
        : "Refrain reads safetensors with a config.json, and GGUF.";
  const place = path === undefined ? repository : `${repository}/${path}`;
  return inputError("hub-no-weights", `hf:${place} has no config.json with safetensors beside it`, help);
}
