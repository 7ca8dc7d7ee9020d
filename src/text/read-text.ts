/** A text file for measuring: checked, named and hashed. The rim of this folder towards Node. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { inputError, type RefrainError } from "../errors.ts";
import { readSmallFile } from "../weights/node-file.ts";
import { firstInvalid } from "./utf8.ts";

/** A text is read whole; what is larger than this is no calibration text. */
const MAX_BYTES = 256 << 20;

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
    throw notUtf8(path, firstInvalid(bytes));
  }
  if (text.trim() === "") throw inputError("text-empty", `${path} is empty`, "Give a text of a few thousand words.");
  return { name: basename(path), text, sha256: createHash("sha256").update(bytes).digest("hex") };
}

export function notUtf8(path: string, byte: number): RefrainError {
  return inputError(
    "text-encoding",
    `${path} is not UTF-8: byte ${byte} begins no character`,
    "Convert it, e.g. with iconv -f latin1 -t utf-8.",
  );
}
