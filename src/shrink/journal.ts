/**
 * The journal of a search as a file beside what is to be written: `OUT.search-1a2b3c4d.json`, and `.safetensors` where it trains. The digits are those of a hash
 * of everything that the search depends on, so another search never takes it for its own and none overwrites another's.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { inputError } from "../errors.ts";
import { isSystemError } from "../weights/node-file.ts";
import { replaceText } from "../weights/replace-file.ts";
import type { Journal, Json } from "./method.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** Part of a method's work that others should not have to do again. */
export class FileJournal implements Journal {
  readonly path: string;
  private readonly key: string;

  /** `search` is all that the result depends on. */
  constructor(out: string, search: Json) {
    this.key = sha256(JSON.stringify(search));
    this.path = `${resolve(out)}.search-${this.key.slice(0, 8)}.json`;
  }

  /** Throws `journal-damaged` where the file is not what was written. */
  async read(): Promise<Json | undefined> {
    const text = await readFile(this.path, "utf8").catch((error: unknown) => {
      if (isSystemError(error, "ENOENT")) return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const [header, state, ...rest] = text.split("\n");
    if (header === this.header(state ?? "") && rest.join() === "") return JSON.parse(state!) as Json;
    throw inputError(
      "journal-damaged",
      `${this.path} holds the state of a search, and it is damaged`,
      "Delete it: the search begins anew.",
    );
  }

  async write(state: Json): Promise<void> {
    const line = JSON.stringify(state);
    await mkdir(dirname(this.path), { recursive: true });
    await replaceText(this.path, `${this.header(line)}\n${line}\n`);
  }

  get checkpoint(): NonNullable<Journal["checkpoint"]> {
    return { path: this.path.replace(/json$/, "safetensors"), identity: { search: this.key } };
  }

  /** When the work is done. */
  async forget(): Promise<void> {
    await Promise.all([this.path, this.checkpoint.path].map((path) => rm(path, { force: true })));
  }

  private header(state: string): string {
    return `refrain search ${this.key} ${sha256(state)}`;
  }
}

/** Keeps nothing beyond the process. */
export function memoryJournal(): Journal {
  let kept: Json | undefined;
  return {
    read: async () => kept,
    write: async (state) => {
      kept = state;
    },
  };
}
