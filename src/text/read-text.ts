/** A text file for measuring: checked, named and hashed, and its beginning as tokens. The rim of this folder towards Node. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { inputError } from "../errors.ts";
import { readSmallFile } from "../weights/node-file.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A text is read whole; what is larger than this is no calibration text. */
const MAX_BYTES = 256 << 20;

/** Characters that are read first for each token that is wanted; where they do not suffice, twice as many. */
const CHARACTERS_PER_TOKEN = 6;
/** Tokens that must follow the wanted ones: the last before a cut may be others than in the whole text. */
const MARGIN = 16;

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
      `${path} is not UTF-8: byte ${firstInvalid(bytes)} begins no character`,
      "Convert it, e.g. with iconv -f latin1 -t utf-8.",
    );
  }
  if (text.trim() === "") throw inputError("text-empty", `${path} is empty`, "Give a text of a few thousand words.");
  return { name: basename(path), text, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** The first `count` tokens of a text, or all; a long text is not tokenized much further than it is needed. */
export function firstTokens(tokenizer: Pick<Tokenizer, "encode">, text: string, count?: number): number[] {
  if (count === undefined) return tokenizer.encode(text);
  for (let length = (count + MARGIN) * CHARACTERS_PER_TOKEN; length < text.length; length *= 2) {
    const tokens = tokenizer.encode(text.slice(0, length));
    if (tokens.length >= count + MARGIN) return tokens.slice(0, count);
  }
  return tokenizer.encode(text).slice(0, count);
}

/** Where the bytes are no longer those of the text that they are read as. */
function firstInvalid(bytes: Uint8Array): number {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const valid = new TextEncoder().encode(text);
  return bytes.findIndex((byte, i) => byte !== valid[i]);
}
