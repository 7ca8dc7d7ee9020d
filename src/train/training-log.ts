/**
 * train.jsonl: a line for every step, loss on held-out text and sample (`LogEntry`). Lines are written as they come. A run that was killed
 * may have logged steps that its checkpoint does not have; they are dropped when it goes on, for they are taken again.
 */
import { type FileHandle, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { explainWriteError, realDisk } from "../weights/disk.ts";
import { isSystemError } from "../weights/node-file.ts";
import { replaceText } from "../weights/replace-file.ts";
import type { LogEntry } from "./trainer.ts";

export class TrainingLog {
  readonly entries: LogEntry[];
  private readonly path: string;
  private readonly handle: FileHandle;
  /** Bytes that are in the file. */
  private written: number;

  private constructor(path: string, handle: FileHandle, entries: LogEntry[], written: number) {
    this.path = path;
    this.handle = handle;
    this.entries = entries;
    this.written = written;
  }

  /** Opens the log of a run that has taken `steps` steps. */
  static async open(path: string, steps: number): Promise<TrainingLog> {
    const entries = steps === 0 ? [] : (await readEntries(path)).filter((entry) => entry.step <= steps);
    const text = entries.map(line).join("");
    await replaceText(path, text);
    return new TrainingLog(path, await open(path, "r+"), entries, Buffer.byteLength(text));
  }

  async write(entry: LogEntry): Promise<void> {
    this.entries.push(entry);
    const bytes = Buffer.from(line(entry));
    try {
      await realDisk.write(this.handle, bytes, this.written);
    } catch (error) {
      throw explainWriteError(error, dirname(this.path), bytes.length);
    }
    this.written += bytes.length;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

const line = (entry: LogEntry) => `${JSON.stringify(entry)}\n`;

/** What can be read of it: the last line of a killed run may be half a line. */
async function readEntries(path: string): Promise<LogEntry[]> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (isSystemError(error, "ENOENT")) return "";
    throw error;
  });
  return text.split("\n").flatMap((one) => {
    try {
      const entry = JSON.parse(one) as Partial<LogEntry> | null;
      return typeof entry?.step === "number" ? [entry as LogEntry] : [];
    } catch {
      return [];
    }
  });
}
