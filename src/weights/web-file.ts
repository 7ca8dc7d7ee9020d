/** Files as a browser has them, as byte sources: an address, a File or another Blob, bytes in memory. */
import { failure, inputError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import { type ByteSource, bytesSource } from "./byte-source.ts";
import { windowBytes, windowedSource } from "./windowed-source.ts";

export type WebFile = string | URL | Blob | ArrayBuffer | Uint8Array;

export interface WebFileOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of the download of a whole file; reading one in parts is part of loading. */
  readonly onProgress?: OnProgress | undefined;
}

/**
 * Opens what a page can have of a file. An address is read in parts where the server can send parts, else fetched as a whole.
 * Errors: `file-missing`, `file-unreadable`, `file-changed`, `network`, `truncated`.
 */
export async function openWebFile(file: WebFile, options: WebFileOptions = {}): Promise<ByteSource> {
  if (file instanceof Blob) return blobSource(file);
  if (file instanceof ArrayBuffer) return bytesSource("the bytes given", new Uint8Array(file));
  if (file instanceof Uint8Array) return bytesSource("the bytes given", file);
  return openUrl(String(file), options);
}

/** `name`, where the Blob is no File and has none. */
function blobSource(blob: Blob, name = blob instanceof File ? blob.name : "the Blob given"): ByteSource {
  const fetch = async (begin: number, end: number) => {
    const part = await blob
      .slice(begin, end)
      .arrayBuffer()
      .catch((error: unknown) => {
        throw inputError("file-unreadable", `${name} cannot be read: ${text(error)}`, "Choose the file again.");
      });
    return new Uint8Array(part);
  };
  return windowedSource({ name, size: blob.size, fetch, close() {} });
}

async function openUrl(url: string, { signal, onProgress }: WebFileOptions): Promise<ByteSource> {
  const closed = new AbortController();
  const signals = AbortSignal.any(signal ? [signal, closed.signal] : [closed.signal]);
  const response = await request(url, signals, { begin: 0, end: windowBytes });
  if (response.status !== 206) return wholeFile(url, response, signals, onProgress);
  const size = totalOf(response);
  if (size === undefined) {
    // A server of another origin that does not let the page see `Content-Range`.
    await response.body?.cancel();
    return wholeFile(url, await request(url, signals), signals, onProgress);
  }
  const version = response.headers.get("etag");
  const first = await bodyOf(url, response, signals, Math.min(size, windowBytes));
  const fetch = async (begin: number, end: number) => {
    const part = await request(url, signals, { begin, end });
    if (part.status !== 206 || totalOf(part) !== size || part.headers.get("etag") !== version) {
      await part.body?.cancel();
      throw failure("file-changed", `${url} became another file while it was being read`, "Load it again.");
    }
    return bodyOf(url, part, signals, end - begin);
  };
  return windowedSource({ name: url, size, fetch, close: () => closed.abort() }, first);
}

/** The whole body, kept as a Blob: a browser can put that on disk. */
async function wholeFile(
  url: string,
  response: Response,
  signal: AbortSignal,
  onProgress: OnProgress | undefined,
): Promise<ByteSource> {
  const expected = Number(response.headers.get("content-length") ?? 0);
  let done = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      done += chunk.length;
      onProgress?.({ label: "downloading", done, total: Math.max(done, expected), unit: "bytes" });
      controller.enqueue(chunk);
    },
  });
  const body = new Response(response.body?.pipeThrough(counter) ?? null);
  return blobSource(
    await body.blob().catch((error: unknown) => {
      throw unreachable(url, signal, error);
    }),
    url,
  );
}

async function request(url: string, signal: AbortSignal, range?: { begin: number; end: number }): Promise<Response> {
  const headers = range ? { Range: `bytes=${range.begin}-${range.end - 1}` } : {};
  const response = await fetch(url, { headers, signal }).catch((error: unknown) => {
    throw unreachable(url, signal, error);
  });
  if (response.ok) return response;
  await response.body?.cancel();
  if (response.status === 404) throw inputError("file-missing", `There is no file at ${url}`, "Check the address.");
  throw failure("network", `${url}: the server answered ${response.status} ${response.statusText}`.trimEnd());
}

async function bodyOf(url: string, response: Response, signal: AbortSignal, expected: number): Promise<Uint8Array> {
  const bytes = await response.arrayBuffer().catch((error: unknown) => {
    throw unreachable(url, signal, error);
  });
  if (bytes.byteLength === expected) return new Uint8Array(bytes);
  throw failure("truncated", `${url}: the server sent ${bytes.byteLength} bytes where ${expected} were asked for`);
}

/** Size of the file, as the answer to a range request states it. */
function totalOf(response: Response): number | undefined {
  const match = /^bytes \d+-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  return match ? Number(match[1]) : undefined;
}

/** What `fetch` rejects with: where the caller broke off, the caller's reason; all else as an error of the network. */
function unreachable(url: string, signal: AbortSignal, error: unknown): unknown {
  if (signal.aborted) return signal.reason;
  return failure(
    "network",
    `${url} cannot be fetched: ${text(error)}`,
    "Check the connection; a server of another origin must allow this page (CORS).",
    error,
  );
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));
