/**
 * Texts to train on, read as a stream: files of UTF-8 text, cut into documents at a separator, and JSON Lines, a document each. No more
 * than a few MiB are in memory. A long document comes in parts, cut before a blank, where byte pairs cut words anyway.
 */
import { createHash } from "node:crypto";
import { type FileHandle, open, stat } from "node:fs/promises";
import { inputError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import { openFile } from "../weights/node-file.ts";
import { notUtf8 } from "./read-text.ts";
import { firstInvalid, wholeCharacters } from "./utf8.ts";

/** Bytes that are read at once, and about the characters of a part. */
const CHUNK = 1 << 20;
/** Characters of a JSON line; a longer one is no document. */
const MAX_LINE = 64 << 20;

export interface CorpusFiles {
  readonly paths: readonly string[];
  /** Key of a JSON line that holds the text. */
  readonly field: string;
  /** Between the documents of a text file; without one a file is a document. */
  readonly separator?: string | undefined;
}

export interface Reading {
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Part {
  readonly text: string;
  /** Ends its document. */
  readonly last: boolean;
}

/** The documents in order; empty ones are left out. Throws `file-missing`, `text-encoding`, `corpus-line`. */
export async function* readCorpus(
  { paths, field, separator }: CorpusFiles,
  reading: Reading & { readonly label: string; readonly onBytes?: (bytes: Uint8Array) => void },
): AsyncGenerator<Part> {
  const sizes = await Promise.all(paths.map(sizeOf));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let done = 0;
  for (const path of paths) {
    const text = characters(path, (bytes) => {
      reading.signal?.throwIfAborted();
      reading.onBytes?.(bytes);
      done += bytes.length;
      reading.onProgress?.({ label: reading.label, done, total, unit: "bytes" });
    });
    const documents = /\.jsonl$/i.test(path) ? linesOf(text, path, field) : piecesOf(text, separator);
    for await (const piece of documents) yield piece;
  }
}

export interface CorpusFacts {
  /** Documents that are not empty. */
  readonly documents: number;
  readonly bytes: number;
  /** Of the bytes of all files, one after the other, and of how they are cut. */
  readonly sha256: string;
}

/** Reads everything once: it is UTF-8, it is not empty, and this is what it is. Throws also `corpus-empty`. */
export async function inspectCorpus(files: CorpusFiles, reading: Reading = {}): Promise<CorpusFacts> {
  const hash = createHash("sha256").update(JSON.stringify([files.field, files.separator ?? null]));
  let [documents, bytes] = [0, 0];
  const onBytes = (chunk: Uint8Array) => {
    hash.update(chunk);
    bytes += chunk.length;
  };
  for await (const { last } of readCorpus(files, { ...reading, label: "reading the corpus", onBytes })) {
    if (last) documents++;
  }
  if (documents === 0) {
    throw inputError(
      "corpus-empty",
      `${files.paths.join(", ")}: there is no text`,
      "Give a text of a few thousand words.",
    );
  }
  return { documents, bytes, sha256: hash.digest("hex") };
}

async function sizeOf(path: string): Promise<number> {
  await (await openFile(path)).close();
  return (await stat(path)).size;
}

/** The text of a file, in pieces of any size, without a byte order mark. */
async function* characters(path: string, onBytes: (bytes: Uint8Array) => void): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const file: FileHandle = await open(path, "r");
  try {
    const buffer = new Uint8Array(CHUNK + 4);
    /** Bytes at the front of the buffer that a character was cut from, and where in the file they stand. */
    let [kept, position] = [0, 0];
    for (let ended = false; !ended; ) {
      const { bytesRead } = await file.read(buffer, kept, CHUNK, position + kept);
      ended = bytesRead === 0;
      onBytes(buffer.subarray(kept, kept + bytesRead));
      const bytes = buffer.subarray(0, kept + bytesRead);
      const whole = ended ? bytes.length : wholeCharacters(bytes);
      let text: string;
      try {
        text = decoder.decode(bytes.subarray(0, whole));
      } catch {
        throw notUtf8(path, position + firstInvalid(bytes.subarray(0, whole)));
      }
      yield position === 0 && text.startsWith("\ufeff") ? text.slice(1) : text;
      buffer.copyWithin(0, whole, bytes.length);
      kept = bytes.length - whole;
      position += whole;
    }
  } finally {
    await file.close();
  }
}

/** Documents between separators, without the line breaks around them. */
async function* piecesOf(text: AsyncIterable<string>, separator: string | undefined): AsyncGenerator<Part> {
  let rest = "";
  let begun = false;
  const end = (last: string): Part | undefined => {
    const document = separator === undefined ? last : trimmed(last, begun);
    if (document.trim() === "" && !begun) return undefined;
    begun = false;
    return { text: document, last: true };
  };
  for await (const piece of text) {
    rest += piece;
    for (let at = found(rest, separator); at >= 0; at = found(rest, separator)) {
      const part = end(rest.slice(0, at));
      if (part) yield part;
      rest = rest.slice(at + separator!.length);
    }
    while (rest.length > 2 * CHUNK) {
      const cut = beforeBlank(rest, CHUNK);
      const first = rest.slice(0, cut);
      const shown = begun || separator === undefined ? first : first.replace(/^[\r\n]+/, "");
      if (begun || shown.trim() !== "") {
        yield { text: shown, last: false };
        begun = true;
      }
      rest = rest.slice(cut);
    }
  }
  const part = end(rest);
  if (part) yield part;
}

const found = (text: string, separator: string | undefined) => (separator === undefined ? -1 : text.indexOf(separator));

function trimmed(text: string, begun: boolean): string {
  const end = text.replace(/[\r\n]+$/, "");
  return begun ? end : end.replace(/^[\r\n]+/, "");
}

/** The last place up to `most` where a blank follows something else; `most` where there is none, but in no character. */
function beforeBlank(text: string, most: number): number {
  const isBlank = (at: number) => /\s/.test(text[at]!);
  for (let at = most; at > most / 2; at--) if (isBlank(at) && !isBlank(at - 1)) return at;
  return /[\udc00-\udfff]/.test(text[most]!) ? most - 1 : most;
}

async function* linesOf(text: AsyncIterable<string>, path: string, field: string): AsyncGenerator<Part> {
  let rest = "";
  let number = 0;
  for await (const piece of text) {
    rest += piece;
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield* documentOf(line, path, ++number, field);
    if (rest.length > MAX_LINE) throw badLine(path, number + 1, `it is longer than ${MAX_LINE} characters`);
  }
  yield* documentOf(rest, path, ++number, field);
}

function* documentOf(line: string, path: string, number: number, field: string): Generator<Part> {
  if (line.trim() === "") return;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw badLine(path, number, "it is not JSON");
  }
  const found = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[field] : undefined;
  if (typeof found !== "string") {
    const keys = typeof value === "object" && value !== null ? Object.keys(value).slice(0, 8).join(", ") : "";
    const problem = `it has no text ${JSON.stringify(field)}`;
    throw badLine(
      path,
      number,
      problem,
      keys === "" ? undefined : `It has ${keys}; "field" says which holds the text.`,
    );
  }
  if (found.trim() === "") return;
  let rest = found;
  while (rest.length > 2 * CHUNK) {
    const cut = beforeBlank(rest, CHUNK);
    yield { text: rest.slice(0, cut), last: false };
    rest = rest.slice(cut);
  }
  yield { text: rest, last: true };
}

function badLine(path: string, line: number, problem: string, help = 'Each line is an object such as {"text": "…"}.') {
  return inputError("corpus-line", `${path}, line ${line}: ${problem}`, help);
}
