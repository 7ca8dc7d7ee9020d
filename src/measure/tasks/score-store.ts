/**
 * Scores that are kept: a file for each model as it is played, one line of JSON for each item, appended as it is scored. So
 * an interruption loses the item under way and nothing else, and a larger --limit continues where a smaller one ended.
 * An item is known by a hash of its tokens: another format of prompts, tokenizer or data file asks for another item.
 */
import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { failure, RefrainError } from "../../errors.ts";
import type { PlayableModel } from "../../playable-model.ts";
import { version } from "../../version.ts";
import { explainWriteError } from "../../weights/disk.ts";
import { isSystemError } from "../../weights/node-file.ts";
import type { EncodedRequest } from "./encode.ts";
import type { Score } from "./item.ts";

/** Bytes that are hashed at once. */
const PIECE = 1 << 20;

export class ScoreStore {
  private readonly path: string;
  private readonly file: FileHandle;
  private readonly known: Map<string, readonly Score[]>;

  private constructor(path: string, file: FileHandle, known: Map<string, readonly Score[]>) {
    this.path = path;
    this.file = file;
    this.known = known;
  }

  /** Makes the file where it is missing; what is no line of scores in it is passed over. Errors: `not-writable`, `disk-full`. */
  static async open(path: string): Promise<ScoreStore> {
    try {
      await mkdir(dirname(path), { recursive: true });
      const text = await readFile(path, "utf8").catch((error: unknown) => {
        if (isSystemError(error, "ENOENT")) return "";
        throw error;
      });
      const file = await open(path, "a");
      // The last line of a process that was killed may have no end.
      if (text !== "" && !text.endsWith("\n")) await file.appendFile("\n");
      return new ScoreStore(path, file, new Map(text.split("\n").flatMap(readLine)));
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  get(requests: readonly EncodedRequest[]): readonly Score[] | undefined {
    const scores = this.known.get(keyOf(requests));
    return scores?.length === requests.length ? scores : undefined;
  }

  async add(requests: readonly EncodedRequest[], scores: readonly Score[]): Promise<void> {
    const item = keyOf(requests);
    this.known.set(item, scores);
    const line = { item, scores: scores.map((s) => s.logLikelihood), greedy: scores.map((s) => (s.greedy ? 1 : 0)) };
    try {
      await this.file.appendFile(`${JSON.stringify(line)}\n`);
    } catch (error) {
      throw unwritable(this.path, error);
    }
  }

  async close(): Promise<void> {
    await this.file.sync();
    await this.file.close();
  }
}

/**
 * The name of the file for a model as it is played now. Its weights are hashed as they lie in memory, so that it does not
 * matter where they came from or what was done to them; a gigabyte takes a few seconds.
 */
export function scoreFileName(model: PlayableModel): string {
  const { config, schedule, cache, adapterScale } = model;
  const hash = createHash("sha256").update(JSON.stringify([version, config, schedule, cache, adapterScale]));
  for (const { name, type, pieces } of model.packedWeights()) {
    hash.update(JSON.stringify([name, type]));
    // Memory that threads share is copied, a little at a time: the hash would refuse it.
    for (const bytes of pieces) {
      for (let at = 0; at < bytes.length; at += PIECE) hash.update(bytes.slice(at, at + PIECE));
    }
  }
  return `scores-${hash.digest("hex").slice(0, 16)}.jsonl`;
}

function unwritable(path: string, error: unknown): unknown {
  const explained = explainWriteError(error, dirname(path), 0);
  if (RefrainError.is(explained)) return explained;
  const reason = error instanceof Error ? error.message : String(error);
  return failure("not-writable", `Cannot keep scores in ${path}: ${reason}`, "Set XDG_CACHE_HOME to a folder.", error);
}

function keyOf(requests: readonly EncodedRequest[]): string {
  const tokens = requests.map(({ context, continuation }) => [context, continuation]);
  return createHash("sha256").update(JSON.stringify(tokens)).digest("base64url").slice(0, 22);
}

function readLine(line: string): [item: string, scores: readonly Score[]][] {
  let value: { item?: unknown; scores?: unknown; greedy?: unknown } | null;
  try {
    value = JSON.parse(line);
  } catch {
    return [];
  }
  const { item, scores, greedy } = value ?? {};
  if (typeof item !== "string" || !Array.isArray(scores) || !Array.isArray(greedy)) return [];
  if (scores.length !== greedy.length || !scores.every((score) => Number.isFinite(score))) return [];
  return [[item, scores.map((logLikelihood: number, i) => ({ logLikelihood, greedy: greedy[i] === 1 }))]];
}
