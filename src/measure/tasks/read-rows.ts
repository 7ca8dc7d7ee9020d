/** Rows of a data file: JSONL, CSV with a line of names, or parquet. Files are hostile until read. The rim towards Node. */
import { createHash } from "node:crypto";
import { basename, extname } from "node:path";
import { inputError, type RefrainError } from "../../errors.ts";
import { readText } from "../../text/read-text.ts";
import { readSmallFile } from "../../weights/node-file.ts";
import { Row } from "./row.ts";

export interface DataFile {
  /** Without its folder. */
  readonly name: string;
  readonly sha256: string;
  readonly rows: readonly Row[];
}

/** By the endings of names. */
export const DATA_ENDINGS = [".jsonl", ".json", ".csv", ".parquet"];

const MAX_ROWS = 1_000_000;
const MAX_LINE = 1 << 20;
/** Of a parquet file, and of a page of it unpacked. */
const MAX_BYTES = 128 << 20;

/** Errors: `task-data`, and those of `readText`. */
export async function readRows(path: string): Promise<DataFile> {
  const name = basename(path);
  const ending = extname(path).toLowerCase();
  if (ending === ".parquet") {
    const bytes = await readSmallFile(path, MAX_BYTES);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    return { name, sha256, rows: await parquetRows(bytes, name) };
  }
  if (!DATA_ENDINGS.includes(ending)) {
    throw problem(path, `the name ends in "${ending}"`, `Refrain reads ${DATA_ENDINGS.join(", ")}.`);
  }
  const { text, sha256 } = await readText(path);
  return { name, sha256, rows: ending === ".csv" ? await csvRows(text, name) : jsonRows(text, name) };
}

/** One object a line; blank lines do not count. */
export function jsonRows(text: string, name: string): Row[] {
  const rows: Row[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const place = `${name}, line ${i + 1}`;
    if (line.length > MAX_LINE) throw problem(place, `the line has ${line.length} characters, more than ${MAX_LINE}`);
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      const help = "Each line must be one JSON object by itself (JSON Lines).";
      throw problem(place, error instanceof Error ? error.message.slice(0, 120) : "not JSON", help);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw problem(place, "not a JSON object");
    add(rows, new Row(place, value as Record<string, unknown>), name);
  }
  return rows;
}

async function csvRows(text: string, name: string): Promise<Row[]> {
  const { parse } = await import("csv-parse/sync");
  let records: unknown;
  try {
    records = parse(text, { columns: true, bom: true, info: true, skip_empty_lines: true, max_record_size: MAX_LINE });
  } catch (error) {
    throw problem(name, error instanceof Error ? error.message.slice(0, 200) : String(error));
  }
  const rows: Row[] = [];
  for (const { record, info } of records as { record: Record<string, unknown>; info: { lines: number } }[]) {
    // Where the row ends: cells may hold line breaks.
    add(rows, new Row(`${name}, line ${info.lines}`, record), name);
  }
  return rows;
}

async function parquetRows(bytes: Uint8Array, name: string): Promise<Row[]> {
  const { parquetMetadata, parquetReadObjects, snappyUncompress } = await import("hyparquet");
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  const compressors = {
    SNAPPY: (packed: Uint8Array, length: number) => {
      if (!(length >= 0 && length <= MAX_BYTES)) throw new Error(`a page has ${length} bytes`);
      const page = new Uint8Array(length);
      snappyUncompress(packed, page);
      return page;
    },
  };
  let records: Record<string, unknown>[];
  try {
    const metadata = parquetMetadata(buffer);
    if (metadata.num_rows > MAX_ROWS) throw new Error(`${metadata.num_rows} rows, more than ${MAX_ROWS}`);
    const file = { byteLength: buffer.byteLength, slice: (begin: number, end?: number) => buffer.slice(begin, end) };
    records = await parquetReadObjects({ file, metadata, compressors });
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : String(error);
    throw problem(name, reason, "The file is damaged, or packed otherwise than with Snappy; convert it to JSON Lines.");
  }
  const rows: Row[] = [];
  for (const [i, record] of records.entries()) {
    const plain = Object.entries(record).map(([key, value]) => [
      key,
      typeof value === "bigint" ? Number(value) : value,
    ]);
    add(rows, new Row(`${name}, row ${i + 1}`, Object.fromEntries(plain)), name);
  }
  return rows;
}

function add(rows: Row[], row: Row, name: string): void {
  if (rows.length === MAX_ROWS) throw problem(name, `more than ${MAX_ROWS} rows`);
  rows.push(row);
}

function problem(place: string, reason: string, help?: string): RefrainError {
  return inputError("task-data", `${place}: ${reason}`, help);
}
