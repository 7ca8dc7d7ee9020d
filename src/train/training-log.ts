/**
 * train.jsonl: a line for every step, loss on held-out text and sample (`LogEntry`). Lines are written as they come. A run that was killed
 * may have logged steps that its checkpoint does not have; they are dropped when it goes on, for they are taken again.
 */
import { type FileHandle, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { explainWriteError } from "../weights/disk.ts";
import { isSystemError } from "../weights/node-file.ts";
import { replaceText } from "../weights/replace-file.ts";
import type { LogEntry } from "./trainer.ts";

export class TrainingLog {
  readonly entries: LogEntry[];
  private readonly path: string;
  private readonly handle: FileHandle;

  private constructor(path: string, handle: FileHandle, entries: LogEntry[]) {
    this.path = path;
    this.handle = handle;
    this.entries = entries;
  }

  /** Opens the log of a run that has taken `steps` steps. */
  static async open(path: string, steps: number): Promise<TrainingLog> {
    const entries = steps === 0 ? [] : (await readEntries(path)).filter((entry) => entry.step <= steps);
    await replaceText(path, entries.map(line).join(""));
    return new TrainingLog(path, await open(path, "a"), entries);
  }

  async write(entry: LogEntry): Promise<void> {
    this.entries.push(entry);
    const text = line(entry);
    try {
      await this.handle.appendFile(text);
    } catch (error) {
      throw explainWriteError(error, dirname(this.path), text.length);
    }
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
