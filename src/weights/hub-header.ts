/**
 * Opens a model on the hub without fetching its weights: the config is fetched, and of the weights only the header is read, where
 * it is, with Range requests.
 */
import { failure } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { ggufCheckpoint } from "./gguf.ts";
import { findCached, type HubOptions, isFile, openRepository, type Repository, within } from "./hub.ts";
import { HubCache } from "./hub-cache.ts";
import type { HubClient } from "./hub-client.ts";
import { parseHubName } from "./hub-name.ts";
import { openHuggingFace } from "./huggingface.ts";
import { indexFile, singleFile } from "./shards.ts";

/** Bytes of the first request; the header of a safetensors file is shorter, that of a GGUF file with its vocabulary may not be. */
const firstWindow = 1 << 20;
const largestWindow = 16 << 20;

/**
 * Undefined where the model is in the cache, and where this cannot be done: for a kind of file that is no safetensors and no GGUF, and
 * for a repository without them. `fetchFromHub` knows what to do then, or what to say. Errors as there.
 */
export async function openHubHeader(text: string, options: HubOptions = {}): Promise<Checkpoint | undefined> {
  const name = parseHubName(text);
  const cache = new HubCache(name.repository);
  if (await findCached(name, cache)) return undefined;
  const repository = await openRepository(name, cache, options);
  const { listing, commit } = repository;
  if (isFile(name.path)) {
    if (!name.path.endsWith(".gguf") || !listing.has(name.path)) return undefined;
    return ggufCheckpoint(remoteFile(repository, name.path));
  }
  const at = within(name.path);
  const [config, index, single] = ["config.json", indexFile, singleFile].map((file) => listing.get(at(file)));
  if (config === undefined || (single === undefined && index === undefined)) return undefined;
  await repository.fetchAll(single === undefined ? [config, index!] : [config]);
  await cache.setRevision(name.revision, commit);
  return openHuggingFace(cache.snapshot(commit, name.path), undefined, {
    names: [...listing.keys()].map((path) => path.slice(at("").length)),
    open: async (file) => remoteFile(repository, at(file)),
  });
}

/** A file that stays where it is. Each request brings more than the last, because headers are read from front to back. */
function remoteFile({ client, listing, url }: Repository, path: string): ByteSource {
  const file = listing.get(path)!;
  const address = url(file);
  let window = { begin: 0, bytes: new Uint8Array(0) };
  let next = firstWindow;
  const read = async (begin: number, end: number) => {
    const has = () => begin >= window.begin && end <= window.begin + window.bytes.length;
    if (!has()) {
      window = { begin, bytes: await range(client, address, begin, Math.min(file.size, Math.max(end, begin + next))) };
      next = Math.min(2 * next, largestWindow);
    }
    return window.bytes.subarray(begin - window.begin, end - window.begin);
  };
  return {
    name: address,
    size: file.size,
    read,
    readInto: async (target, begin) => target.set(await read(begin, begin + target.length)),
    close: async () => {},
  };
}

/** Bytes [begin, end) of a file on the hub. */
async function range(client: HubClient, url: string, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  const headers = { "Accept-Encoding": "identity", Range: `bytes=${begin}-${end - 1}` };
  const response = await client.fetchAny(url, { headers });
  if (!response.ok) {
    await response.body?.cancel();
    throw client.refusal(response);
  }
  const isWhole = response.status === 200;
  const expected = `bytes ${begin}-${end - 1}/`;
  if (!isWhole && !response.headers.get("content-range")?.startsWith(expected)) {
    await response.body?.cancel();
    throw failure("hub-size", `${url}: expected ${expected}…, got "${response.headers.get("content-range")}"`);
  }
  // A server that knows no ranges sends everything; what lies behind `end` is not waited for.
  const bytes = new Uint8Array(end - begin);
  let at = isWhole ? -begin : 0;
  try {
    for await (const chunk of response.body ?? []) {
      const part = chunk.subarray(Math.max(0, -at), bytes.length - at);
      if (part.length > 0) bytes.set(part, Math.max(0, at));
      at += chunk.length;
      if (at >= bytes.length) break;
    }
  } catch (error) {
    throw client.explain(error);
  }
  if (at < bytes.length) throw failure("hub-size", `${url} ended after ${begin + at} bytes, expected ${end}`);
  return bytes;
}
