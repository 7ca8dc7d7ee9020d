/** What several tests of this folder share: real vocabularies, and a small one that they can damage. */
import { readFileSync } from "node:fs";
import { bytesSource } from "../weights/byte-source.ts";
import { readGgufHeader } from "../weights/gguf-header.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer.ts";
import type { JsonObject } from "./tokenizer-json.ts";

export async function ggufTokenizer(path: string): Promise<Tokenizer> {
  const header = await readGgufHeader(bytesSource(path, readFileSync(path)));
  return openTokenizer({ kind: "gguf", metadata: header.metadata });
}

export function huggingFaceTokenizer(tokenizer: JsonObject, config: JsonObject = {}): Promise<Tokenizer> {
  return openTokenizer({ kind: "huggingface", tokenizer, config });
}

/** Byte-level BPE with one merge, a special token and one that is part of the text. */
export function smallJson(changes: JsonObject = {}): JsonObject {
  return {
    added_tokens: [
      { id: 4, content: "<|end|>", special: true },
      { id: 5, content: "<note>", special: false },
    ],
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2, Ġ: 3 }, merges: ["a b"] },
    ...changes,
  };
}

/** The bytes of a llama2.c `tokenizer.bin`: unknown, begin, end, the bytes, then these. */
export function llama2cBytes(pieces: readonly (readonly [text: string, score: number])[]): Uint8Array {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const all = [...["<unk>", "\n<s>\n", "\n</s>\n", ...bytes].map((text) => [text, 0] as const), ...pieces];
  const parts: number[] = [16, 0, 0, 0];
  for (const [text, score] of all) {
    const utf8 = new TextEncoder().encode(text);
    const entry = new DataView(new ArrayBuffer(8));
    entry.setFloat32(0, score, true);
    entry.setInt32(4, utf8.length, true);
    parts.push(...new Uint8Array(entry.buffer), ...utf8);
  }
  return Uint8Array.from(parts);
}
