/** What tests of the measuring commands share: a folder, a text, and a table of refusals. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tinyModel } from "./tiny-model.testing.ts";

const sentence = "The cat sat on the mat, and the dog looked at the moon; nobody said a word. ";

export interface Bench {
  /** The tiny model: 3 blocks, 128 tokens of context, a token for each character. */
  readonly model: string;
  /** A text of 1,540 characters, in a file. */
  readonly text: string;
  /** Files that are no texts. */
  readonly empty: string;
  readonly latin1: string;
  /** 9 characters. */
  readonly short: string;
  /** A path in the folder, for output. */
  readonly path: (name: string) => string;
  readonly remove: () => Promise<void>;
}

export async function bench(): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "refrain-bench-"));
  const tiny = await tinyModel();
  const path = (name: string) => join(folder, name);
  const files = {
    text: path("cat.txt"),
    empty: path("empty.txt"),
    latin1: path("latin1.txt"),
    short: path("short.txt"),
  };
  await writeFile(files.text, sentence.repeat(20));
  await writeFile(files.empty, " \n\n");
  await writeFile(files.latin1, Buffer.from("caf\xe9 noir", "latin1"));
  await writeFile(files.short, "Too short");
  const remove = async () => {
    await Promise.all([rm(folder, { recursive: true }), tiny.remove()]);
  };
  return { model: tiny.path, ...files, path, remove };
}
