/**
 * A tokenizer as the metadata of a GGUF file, which `gguf-vocabulary.ts` reads. The vocabulary of another GGUF file is copied as it is,
 * llama2.c's has the same pieces and scores, and byte-level BPE has its merges and the name of a rule that cuts text into words.
 * What the format cannot say is refused: a tokenizer that is nearly right gives plausible tokens and a model that is quietly worse.
 */
import { inputError } from "../errors.ts";
import type { VocabularySource } from "../weights/checkpoint.ts";
import { entryOf } from "../weights/gguf-metadata.ts";
import type { GgufEntry } from "../weights/gguf-write.ts";
import { isSentencePiece, scored, scoredEntries } from "./export-sentencepiece.ts";
import { ggufPreTokenizers } from "./gguf-pre-tokenizers.ts";
import { tokenTypes } from "./gguf-vocabulary.ts";
import { readLlama2cPieces } from "./llama2c-vocabulary.ts";
import { applyConfig, frameOf } from "./post-processor.ts";
import { preTokenizerFor } from "./pre-tokenizer.ts";
import { tokenId } from "./special-tokens.ts";
import { chatTemplate } from "./tokenizer.ts";
import {
  type CheckedTokenizer,
  checkTokenizer,
  isObject,
  type JsonObject,
  readTokenizerJson,
} from "./tokenizer-json.ts";

type Entries = Map<string, GgufEntry>;

/**
 * @param rows of the model's embedding; llama.cpp wants a token for each
 * @throws input error `export-tokenizer`, and those of reading the tokenizer
 */
export function exportedTokenizer(source: VocabularySource, rows: number): Entries {
  switch (source.kind) {
    case "gguf":
      return new Map([...source.metadata].map(([key, value]) => [key, entryOf(key, value)]));
    case "llama2.c":
      return fromLlama2c(source.bytes, source.vocabSize);
    case "huggingface":
      return fromTokenizerJson(checkTokenizer(readTokenizerJson(source.tokenizer)), source.config, rows);
  }
}

function fromLlama2c(bytes: Uint8Array, vocabSize: number): Entries {
  const { pieces, scores, firstPiece } = readLlama2cPieces(bytes, vocabSize);
  const { unknown, control, byte, normal } = tokenTypes;
  const types = pieces.map((_, id) => [unknown, control, control][id] ?? (id < firstPiece ? byte : normal));
  return entries("llama", {
    tokens: ["array", "string", pieces],
    scores: ["array", "f32", scores],
    token_type: ["array", "i32", types],
    unknown_token_id: ["u32", 0],
    bos_token_id: ["u32", 1],
    eos_token_id: ["u32", 2],
    add_bos_token: ["bool", true],
    add_eos_token: ["bool", false],
    add_space_prefix: ["bool", true],
  });
}

function fromTokenizerJson(checked: CheckedTokenizer, config: JsonObject, rows: number): Entries {
  const { before, after } = frameOf(checked);
  const bos = tokenId(checked, config, "bos_token") ?? before[0];
  const eos = tokenId(checked, config, "eos_token") ?? after[0];
  const frame = applyConfig({ before, after }, config, bos, eos);
  if (!isOnly(frame.before, bos) || !isOnly(frame.after, eos)) {
    throw cannot("it puts more around a text than one token that begins and one that ends it");
  }
  refuseOptions(checked);
  const { tokens, types } = tokensOf(checked, rows);
  const template = chatTemplate(config);
  const id = (role: string, token: number | undefined): Record<string, GgufEntry> =>
    token === undefined ? {} : { [`${role}_token_id`]: ["u32", token] };
  const common: Record<string, GgufEntry> = {
    tokens: ["array", "string", tokens],
    ...id("bos", bos),
    ...id("eos", eos),
    ...id("eot", tokenId(checked, config, "eot_token")),
    ...id("eom", tokenId(checked, config, "eom_token")),
    ...id("unknown", tokenId(checked, config, "unk_token")),
    add_bos_token: ["bool", frame.before.length > 0],
    add_eos_token: ["bool", frame.after.length > 0],
  };
  if (isSentencePiece(checked)) {
    const found = scored(checked, tokens, types);
    if (found === undefined) throw cannot("its merges do not follow from a score for each piece");
    return entries("llama", { ...common, ...scoredEntries(found) }, template);
  }
  const own: Record<string, GgufEntry> = {
    pre: ["string", preTokenizerName(checked)],
    token_type: ["array", "i32", types],
    merges: ["array", "string", mergeTexts(checked)],
  };
  return entries("gpt2", { ...common, ...own }, template);
}

function entries(model: string, own: Readonly<Record<string, GgufEntry>>, template?: string): Entries {
  const named = Object.entries(own).map(([key, entry]) => [`tokenizer.ggml.${key}`, entry] as const);
  return new Map<string, GgufEntry>([
    ["tokenizer.ggml.model", ["string", model]],
    ...named,
    ...(template === undefined ? [] : [["tokenizer.chat_template", ["string", template]] as const]),
  ]);
}

const isOnly = (tokens: readonly number[], token: number | undefined): boolean =>
  tokens.length === 0 || (tokens.length === 1 && tokens[0] === token);

/** Texts and types by id; where there is no token stands one that no text has, as llama.cpp's converter does it. */
function tokensOf(checked: CheckedTokenizer, rows: number): { tokens: string[]; types: number[] } {
  const { pieces, added } = checked;
  const special = new Map(added.map((token) => [token.id, token.special]));
  const tokens: string[] = [];
  const types: number[] = [];
  for (let id = 0; id < Math.max(rows, pieces.size); id++) {
    const text = pieces.text(id);
    const isSpecial = special.get(id);
    tokens.push(text ?? `[PAD${id}]`);
    if (text === undefined) types.push(tokenTypes.unused);
    else if (isSpecial === undefined) types.push(tokenTypes.normal);
    else types.push(isSpecial ? tokenTypes.control : tokenTypes.userDefined);
  }
  const seen = new Set<string>();
  const twice = tokens.find((text) => seen.size === seen.add(text).size);
  if (twice !== undefined) throw cannot(`two of its tokens have the text ${JSON.stringify(twice)}`);
  return { tokens, types };
}

function mergeTexts({ pieces, merges }: CheckedTokenizer): string[] {
  return Array.from({ length: merges.length }, (_, rank) => {
    const parts = [merges.left[rank]!, merges.right[rank]!].map((id) => pieces.texts.text(id));
    const replaced = [merges.left, merges.right, merges.joined].some(
      (ids) => pieces.text(ids[rank]!) !== pieces.texts.text(ids[rank]!),
    );
    if (replaced || parts.some((part) => part.includes(" "))) {
      throw cannot(
        `merge ${rank}, ${JSON.stringify(parts)}, has a part with a space or one that an added token replaces`,
      );
    }
    return parts.join(" ");
  });
}

/** Tokens that do more than to stand for themselves. */
function refuseOptions({ json }: CheckedTokenizer): void {
  const options = ["lstrip", "rstrip", "single_word"];
  const added = (json.added_tokens as readonly JsonObject[]).find((token) =>
    options.some((key) => token[key] === true),
  );
  if (added)
    throw cannot(
      `its token ${JSON.stringify(added.content)} takes the space beside it, or stands for whole words only`,
    );
}

/** The name by which GGUF files know how text is cut into words. Error: `export-tokenizer`. */
function preTokenizerName(checked: CheckedTokenizer): string {
  const { json } = checked;
  const model = json.model as JsonObject;
  if (!isObject(json.decoder) || json.decoder.type !== "ByteLevel") throw cannot("its decoder is not of bytes");
  const normalizer = isObject(json.normalizer) ? json.normalizer.type : undefined;
  const regexes = regexesOf(preTokenizerFor(checked));
  for (const [name, rule] of ggufPreTokenizers) {
    const isSame =
      rule.regexes.join("\n") === regexes?.join("\n") &&
      (rule.ignoreMerges ?? false) === (model.ignore_merges === true) &&
      rule.normalizer === normalizer;
    if (isSame) return name;
  }
  throw cannot("no name of GGUF stands for the way in which it cuts text into words");
}

/** The expressions that cut one after the other before the bytes are spelled; undefined where something else is done. */
function regexesOf(preTokenizer: JsonObject | null): string[] | undefined {
  const parts = flat(preTokenizer);
  const last = parts.pop();
  if (last?.type !== "ByteLevel" || last.use_regex !== false || last.add_prefix_space === true) return undefined;
  const regexes = parts.map(({ type, pattern, behavior }) =>
    type === "Split" && behavior === "Isolated" && isObject(pattern) ? pattern.Regex : undefined,
  );
  if (!regexes.every((regex) => typeof regex === "string")) return undefined;
  // Llama 3 and Qwen write the first part of their expression so; not every dialect can.
  const short = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
  const long = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
  return regexes.map((regex) => regex.replace(short, long));
}

const flat = (part: JsonObject | null): JsonObject[] =>
  part === null
    ? []
    : part.type === "Sequence"
      ? (part.pretokenizers as readonly JsonObject[]).flatMap((inner) => flat(inner))
      : [part];

function cannot(why: string): Error {
  return inputError(
    "export-tokenizer",
    `this tokenizer has no form in GGUF: ${why}`,
    "Take the model's GGUF file, whose vocabulary is copied as it is; or keep the model as a folder.",
  );
}
