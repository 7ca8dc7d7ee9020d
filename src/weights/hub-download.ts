/**
 * Downloads one file so that nothing is fetched twice: it grows as `<etag>.incomplete` beside its place, as the Python
 * library has it, and continues there with a Range request after a cut, in this run or a later one.
 *
 * No If-Range: the hub answers with a redirect to storage servers, whose ETags are not the hub's, so the condition would
 * never hold. It is not needed either. The address names a commit, the `.incomplete` file the hash of its contents, and
 * that hash is checked over the whole file, so that a beginning that does not fit is thrown away.
 */
import { createHash, type Hash } from "node:crypto";
import { constants, existsSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { failure } from "../errors.ts";
import { explainWriteError, realDisk } from "./disk.ts";
import { type HubClient, isUnreachable } from "./hub-client.ts";
import { isSystemError } from "./node-file.ts";

export interface RemoteFile {
  readonly path: string;
  readonly size: number;
  /** Its sha256 (64 digits) where it is large, else the hash that git gives it (40 digits). */
  readonly etag: string;
}

/** Attempts in a row that brought no new byte. */
const maxIdleAttempts = 4;

/**
 * Fetches `url` to `place`. `onBytes` is told how many bytes of the file are there. Errors: `hub-checksum`, `hub-size`,
 * `hub-unreachable`, `interrupted`, `disk-full`, and the refusals of the client.
 */
export async function download(
  client: HubClient,
  url: string,
  file: RemoteFile,
  place: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const incomplete = `${place}.incomplete`;
  try {
    await mkdir(dirname(place), { recursive: true });
    for (;;) {
      const { resumed, etag } = await complete(client, url, file, incomplete, onBytes);
      if (etag === file.etag) break;
      await rm(incomplete, { force: true });
      if (!resumed) {
        const hashes = `expected ${file.etag}, got ${etag}`;
        throw failure(
          "hub-checksum",
          `${url} arrived damaged: ${hashes}`,
          "Try again; if it stays so, tell its owner.",
        );
      }
    }
    await rename(incomplete, place).catch((error: unknown) => {
      // Another process that fetched the same file was faster; both wrote the same bytes.
      if (!isSystemError(error, "ENOENT") || !existsSync(place)) throw error;
    });
  } catch (error) {
    throw explainWriteError(error, dirname(place), file.size);
  }
}

/** A file on its way: what has arrived is hashed already. */
interface Growing {
  readonly handle: FileHandle;
  bytes: number;
  hash: Hash;
}

/** Brings the incomplete file to its size; says whether it began with bytes of an earlier run, and its hash. */
async function complete(
  client: HubClient,
  url: string,
  file: RemoteFile,
  incomplete: string,
  onBytes: (bytes: number) => void,
) {
  const handle = await open(incomplete, constants.O_RDWR | constants.O_CREAT);
  try {
    const growing = await readExisting(handle, file);
    const resumed = growing.bytes > 0;
    let best = growing.bytes;
    for (let idle = 0; growing.bytes < file.size; ) {
      onBytes(growing.bytes);
      let cut: unknown;
      try {
        await append(client, url, file, growing, onBytes);
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        cut = error;
      }
      idle = growing.bytes > best ? 0 : idle + 1;
      best = Math.max(best, growing.bytes);
      if (idle === maxIdleAttempts) {
        const why = cut instanceof Error ? `: ${cut.message}` : "";
        const message = `The download of ${url} stopped at ${best} of ${file.size} bytes${why}`;
        throw failure("hub-interrupted", message, "The same command continues there.", cut);
      }
      if (idle > 0) await sleep(100 * 2 ** idle);
    }
    onBytes(growing.bytes);
    await handle.sync();
    return { resumed, etag: growing.hash.digest("hex") };
  } finally {
    await handle.close();
  }
}

async function readExisting(handle: FileHandle, file: RemoteFile): Promise<Growing> {
  const growing = { handle, bytes: 0, hash: newHash(file) };
  const { size } = await handle.stat();
  if (size > file.size) await handle.truncate(0);
  else {
    const buffer = new Uint8Array(1 << 20);
    while (growing.bytes < size) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, growing.bytes);
      if (bytesRead === 0) break;
      growing.hash.update(buffer.subarray(0, bytesRead));
      growing.bytes += bytesRead;
    }
  }
  return growing;
}

/** One request for what is missing, written as it comes. */
async function append(
  client: HubClient,
  url: string,
  file: RemoteFile,
  growing: Growing,
  onBytes: (bytes: number) => void,
): Promise<void> {
  // Compressed answers could not be continued.
  const headers = { "Accept-Encoding": "identity", Range: `bytes=${growing.bytes}-` };
  const response = await client.fetchAny(url, { headers });
  const isWhole = response.status === 200;
  if (response.status === 416 || (isWhole && growing.bytes > 0)) {
    await growing.handle.truncate(0);
    growing.bytes = 0;
    growing.hash = newHash(file);
  }
  if (response.status === 416) return response.body?.cancel();
  if (!response.ok) throw client.refusal(response);
  const wrongSize = (got: string) => failure("hub-size", `${url}: expected ${file.size} bytes, got ${got}`);
  const range = response.headers.get("content-range") ?? "";
  if (!isWhole && range !== `bytes ${growing.bytes}-${file.size - 1}/${file.size}`) throw wrongSize(`"${range}"`);
  try {
    for await (const chunk of response.body ?? []) {
      if (growing.bytes + chunk.length > file.size) throw wrongSize("more");
      await realDisk.write(growing.handle, chunk, growing.bytes);
      growing.hash.update(chunk);
      growing.bytes += chunk.length;
      onBytes(growing.bytes);
    }
  } catch (error) {
    throw client.explain(error);
  }
}

function newHash({ etag, size }: RemoteFile): Hash {
  return etag.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}
