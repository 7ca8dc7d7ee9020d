/** A text file for measuring: checked, named and hashed, and its beginning as tokens. The rim of this folder towards Node. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { inputError } from "../errors.ts";
import { readSmallFile } from "../weights/node-file.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A text is read whole; what is larger than this is no calibration text. */
const MAX_BYTES = 256 << 20;

/** No tokenizer makes a token of more characters than this on average over a text. */
const CHARACTERS_PER_TOKEN = 16;

export interface TextFile {
  /** The file's name without its folder. */
  readonly name: string;
  readonly text: string;
  /** Of the bytes of the file. */
  readonly sha256: string;
}

/** Throws `file-missing`, `file-too-large`, `text-encoding`, `text-empty`. */
export async function readText(path: string): Promise<TextFile> {
  const bytes = await readSmallFile(path, MAX_BYTES);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw inputError(
      "text-encoding",
      `${path} is not UTF-8: the bytes at ${firstInvalid(bytes)} are no character`,
      "Convert it, e.g. with iconv -f latin1 -t utf-8.",
    );
  }
  if (text.trim() === "") throw inputError("text-empty", `${path} is empty`, "Give a text of a few thousand words.");
  return { name: basename(path), text, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** The first `count` tokens of a text, or all; a long text is not tokenized further than it is needed. */
export function firstTokens(tokenizer: Tokenizer, text: string, count?: number): number[] {
  if (count === undefined) return tokenizer.encode(text);
  return tokenizer.encode(text.slice(0, count * CHARACTERS_PER_TOKEN)).slice(0, count);
}

/** The byte before which everything is UTF-8, by halving. */
function firstInvalid(bytes: Uint8Array): number {
  const valid = (end: number): boolean => {
    try {
      // A character that is cut off at the end is not what is looked for.
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, end), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  let [good, bad] = [0, bytes.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (valid(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
