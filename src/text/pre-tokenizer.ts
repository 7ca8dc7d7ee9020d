/**
 * Rewrites the pre-tokenizer of a `tokenizer.json` for `@huggingface/tokenizers` 0.2.0, where that does something else than the
 * `tokenizers` library in Rust which wrote the file:
 *
 * - Digits: splits at ASCII digits only; Rust at every number of Unicode (`٣`, `½`);
 * - ByteLevel: `\s` is JavaScript's, which has U+FEFF and lacks U+0085; in a Split the library translates it rightly;
 * - Metaspace: never splits, whatever `split` says;
 * - Split: knows the behaviors Isolated and Removed, and takes any other for Isolated; those are refused here.
 *
 * One addition is for speed: without a pre-tokenizer (SentencePiece models) the whole text is one word, and a megabyte takes
 * 16 s. Where no merge crosses from a letter to a following `▁`, cutting the text before each run of `▁` cannot change the
 * tokens, and the same megabyte takes 0.8 s.
 */
import { inputError } from "../errors.ts";
import { type CheckedTokenizer, isObject, type JsonObject, quote, shapeError } from "./tokenizer-json.ts";

/** How GPT-2 cuts text into words. */
export const gpt2Words = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** What SentencePiece writes for a space. */
export const spaceMark = "▁";

const maxDepth = 16;

export function isolate(regex: string): JsonObject {
  return { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
}

export function inSequence(...pretokenizers: readonly JsonObject[]): JsonObject {
  return { type: "Sequence", pretokenizers };
}

/** @throws input errors `tokenizer-shape`, `tokenizer-unsupported`. */
export function preTokenizerFor({ json, merges, pieces }: CheckedTokenizer): JsonObject | null {
  const own = json.pre_tokenizer === null ? null : rewrite(json.pre_tokenizer, 0);
  const crossing = /[^▁]▁/u;
  const ids = Array.from({ length: pieces.baseId(spaceMark) < 0 ? 0 : merges.length }, (_, rank) => rank);
  const marked = ids.some((rank) => pieces.text(merges.left[rank]!)!.startsWith(spaceMark));
  if (!marked || ids.some((rank) => crossing.test(pieces.text(merges.joined[rank]!)!))) return own;
  const cut = isolate(`${spaceMark}*[^${spaceMark}]+|${spaceMark}+`);
  return own === null ? cut : inSequence(own, cut);
}

function rewrite(config: unknown, depth: number): JsonObject {
  if (!isObject(config)) throw shapeError(`a pre-tokenizer should be an object, it is ${quote(config)}`);
  if (depth > maxDepth) throw shapeError(`pre-tokenizers lie more than ${maxDepth} deep in each other`);
  switch (config.type) {
    case "Sequence": {
      const parts = config.pretokenizers;
      if (!Array.isArray(parts)) throw shapeError(`a Sequence of pre-tokenizers should have a list, "pretokenizers"`);
      return inSequence(...parts.map((part: unknown) => rewrite(part, depth + 1)));
    }
    case "Digits":
      return isolate(config.individual_digits === true ? "\\p{N}" : "\\p{N}+");
    case "ByteLevel":
      // With add_prefix_space the space comes before the cut, which only the library's own order does.
      if (config.use_regex === false || config.add_prefix_space === true) return config;
      return inSequence(isolate(gpt2Words), { ...config, use_regex: false });
    case "Metaspace": {
      if (config.split === false) return config;
      const mark = typeof config.replacement === "string" ? config.replacement : spaceMark;
      return inSequence(config, isolate(`${mark}[^${mark}]*|[^${mark}]+`));
    }
    case "Split":
      return rewriteSplit(config);
    default:
      return config;
  }
}

function rewriteSplit(config: JsonObject): JsonObject {
  const { pattern, behavior = "Isolated", invert } = config;
  if (!isObject(pattern) || typeof (pattern.Regex ?? pattern.String) !== "string") {
    throw shapeError(`a Split has the pattern ${quote(pattern)}; it should be {"Regex": …} or {"String": …}`);
  }
  if (behavior === "Isolated") return { ...config, behavior, invert: false };
  if (behavior === "Removed") return { ...config, invert: invert === true };
  throw inputError(
    "tokenizer-unsupported",
    `tokenizer.json: a Split with the behavior ${quote(behavior)} is not supported`,
  );
}
