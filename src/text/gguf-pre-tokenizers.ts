/**
 * How a GGUF's `tokenizer.ggml.pre` says that text is cut into words before byte pair encoding. The file has only a name; the rules
 * stand in llama.cpp (`llama-vocab.cpp`), which took them from each model's `tokenizer.json`. A name that is not here is refused:
 * a wrong rule gives plausible tokens and a model that is quietly worse.
 */
import { gpt2Words } from "./pre-tokenizer.ts";

export interface GgufPreTokenizer {
  /** Applied one after the other; each cuts the pieces of the one before. */
  readonly regexes: readonly string[];
  /** A word that is a token stays whole, whatever the merges would make of it. */
  readonly ignoreMerges?: boolean;
  /** llama.cpp leaves this out; Qwen2's own tokenizer.json has it, so the model was trained with it. */
  readonly normalizer?: "NFC";
}

const llama3Words = (digits: string) =>
  "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" +
  `${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const gpt2: GgufPreTokenizer = { regexes: [gpt2Words] };
const digitsApart: GgufPreTokenizer = { regexes: ["\\p{N}", gpt2Words] };
const llama3: GgufPreTokenizer = { regexes: [llama3Words("\\p{N}{1,3}")], ignoreMerges: true };
const qwen2: GgufPreTokenizer = { regexes: [llama3Words("\\p{N}")], normalizer: "NFC" };
const fallback: GgufPreTokenizer = {
  regexes: ["[\\p{P}\\$\\+<=>\\^~\\|]+", gpt2Words, "\\p{N}+", "[0-9][0-9][0-9]"],
};

export const ggufPreTokenizers: ReadonlyMap<string, GgufPreTokenizer> = new Map([
  ["default", fallback],
  ["gpt-2", gpt2],
  ["phi-2", gpt2],
  ["mpt", gpt2],
  ["olmo", gpt2],
  ["smollm", digitsApart],
  ["starcoder", digitsApart],
  ["refact", digitsApart],
  ["command-r", digitsApart],
  ["llama-bpe", llama3],
  ["llama3", llama3],
  ["llama-v3", llama3],
  ["qwen2", qwen2],
  ["deepseek-r1-qwen", qwen2],
]);
