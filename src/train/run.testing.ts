/** A training file and a text of some kilobytes in a folder, for runs that take a second. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogEntry } from "./trainer.ts";

const sentence = "The cat sat on the mat, and the dog looked at the moon; nobody said a word. ";

export const tinyLlama = {
  model_type: "llama",
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  tie_word_embeddings: true,
};

export interface TinyRun {
  readonly folder: string;
  readonly path: (name: string) => string;
  /** Writes NAME.json, the tiny file with other `training`; its path. */
  readonly file: (name: string, training?: object, other?: object) => Promise<string>;
  readonly remove: () => Promise<void>;
}

export async function tinyRun(): Promise<TinyRun> {
  const folder = await mkdtemp(join(tmpdir(), "refrain-train-"));
  const path = (name: string) => join(folder, name);
  await writeFile(path("cat.txt"), Array.from({ length: 60 }, (_, i) => `${i}: ${sentence}`).join("\n"));
  return {
    folder,
    path,
    file: async (name, training = {}, other = {}) => {
      const file = {
        model: tinyLlama,
        schedule: "each(0-1)x2",
        tokenizer: "bytes",
        data: { files: "cat.txt" },
        training: { sequences: 2, length: 16, steps: 12, rate: 0.01, saveEvery: 4, evaluateEvery: 6, ...training },
        ...other,
      };
      await writeFile(path(`${name}.json`), JSON.stringify(file));
      return path(`${name}.json`);
    },
    remove: () => rm(folder, { recursive: true }),
  };
}

/** The log of a run without what differs from one time to the next. */
export async function logOf(out: string): Promise<LogEntry[]> {
  const text = await readFile(join(out, "train.jsonl"), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const entry = JSON.parse(line);
      return "seconds" in entry ? { ...entry, seconds: 0 } : entry;
    });
}
