/**
 * Which tokens begin a text and which end one. `tokenizer_config.json` names one of each; models for chat have more ends than
 * that (a turn, a message, the text), which other tools keep in `generation_config.json` or know by name. They are known by name here,
 * and only where the vocabulary marks them as special.
 */
import { type CheckedTokenizer, isObject, type JsonObject } from "./tokenizer-json.ts";

const endNames: readonly string[] = [
  "</s>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<|im_end|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|eot|>",
  "<|end|>",
  "<|end_of_turn|>",
  "<end_of_turn>",
];

/** The text under a key such as `bos_token`, which is a string or `{content}`, or null. */
export function tokenText(config: JsonObject, key: string): string | undefined {
  const value = isObject(config[key]) ? config[key].content : config[key];
  return typeof value === "string" ? value : undefined;
}

export function tokenId(checked: CheckedTokenizer, config: JsonObject, key: string): number | undefined {
  const text = tokenText(config, key);
  return text === undefined ? undefined : checked.pieces.id(text);
}

/** End of text first, then the ends of turns, without repetition. */
export function stopTokens(checked: CheckedTokenizer, config: JsonObject): readonly number[] {
  const named = ["eos_token", "eot_token", "eom_token"].map((key) => tokenId(checked, config, key));
  const known = checked.added.filter((t) => t.special && endNames.includes(t.content)).map((t) => t.id);
  return [...new Set([...named, ...known])].filter((id) => id !== undefined);
}
