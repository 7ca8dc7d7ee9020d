/**
 * Tokenizers that did not exist before, as a `tokenizer.json` that transformers, tokenizers and transformers.js read too: bytes alone, or byte
 * pairs that were trained on a corpus. One special token ends a text and so begins the next; then come the 256 bytes in the order
 * of their characters, then what the merges make, and last, for an encoder, the token that masks others.
 */
import { characterOfByte } from "./byte-alphabet.ts";
import { openTokenizer, type Tokenizer } from "./tokenizer.ts";
import type { BytePairMerge } from "./train-byte-pairs.ts";

export const END_OF_TEXT = "<|endoftext|>";
export const MASK = "[MASK]";

/** Tokens of a tokenizer without merges: its vocabulary can be no smaller. */
export const BYTE_VOCABULARY = 257;

/** A tokenizer of `BYTE_VOCABULARY + merges.length` tokens, one more with a mask; without merges every byte is one. */
export async function newTokenizer(
  merges: readonly BytePairMerge[] = [],
  { mask = false }: { readonly mask?: boolean } = {},
): Promise<Tokenizer> {
  const texts = [...characterOfByte];
  for (const [left, right] of merges) texts.push(texts[left]! + texts[right]!);
  const bytes = texts.slice(0, 256).sort();
  const pieces = [END_OF_TEXT, ...bytes, ...texts.slice(256), ...(mask ? [MASK] : [])];
  const vocab = pieces.map((text, id) => [text, id] as const);
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added = [{ id: 0, content: END_OF_TEXT, ...plain }];
  if (mask) added.push({ id: pieces.length - 1, content: MASK, ...plain });
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocab),
      merges: merges.map(([left, right]) => `${texts[left]} ${texts[right]}`),
    },
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: END_OF_TEXT,
    eos_token: END_OF_TEXT,
    ...(mask && { mask_token: MASK }),
  };
  return openTokenizer({ kind: "huggingface", tokenizer, config });
}
