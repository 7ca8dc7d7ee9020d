/**
 * Byte pair encoding of words, as a model for `@huggingface/tokenizers`, whose own makes a string for each merge and each pair that
 * it looks up. Of all neighbors that may be joined, those of the lowest rank are, the leftmost first, until none are left.
 */
import type { Merges } from "./merges.ts";
import type { Pieces } from "./pieces.ts";
import type { JsonObject } from "./tokenizer-json.ts";

/** Words of texts come again and again. */
const maxKnownWords = 10_000;
const maxKnownLength = 256;
/** A place in the queue is rank · 2^31 + position: no word is longer, and there are fewer than 2^22 ranks. */
const positions = 2 ** 31;

/** What `@huggingface/tokenizers` asks of a model: words to tokens, and a token to its id. */
export interface LibraryModel {
  (words: readonly string[]): string[];
  readonly tokens_to_ids: { get(token: string): number | undefined };
  readonly unk_token_id: number | undefined;
}

/** @param model `model` of a tokenizer.json */
export function bytePairs(model: JsonObject, pieces: Pieces, merges: Merges): LibraryModel {
  const encoder = new BytePairs(model, pieces, merges);
  const unknown = encoder.unknown === undefined ? undefined : pieces.id(encoder.unknown);
  const isUnknown = (token: string | undefined) => token !== undefined && pieces.id(token) === unknown;
  const encode = (words: readonly string[]) => {
    const tokens = words.flatMap((word) => encoder.tokensOf(word));
    if (model.fuse_unk !== true || unknown === undefined) return tokens;
    return tokens.filter((token, i) => !(isUnknown(token) && isUnknown(tokens[i - 1])));
  };
  return Object.assign(encode, { tokens_to_ids: { get: (token: string) => pieces.id(token) }, unk_token_id: unknown });
}

class BytePairs {
  readonly unknown: string | undefined;
  private readonly pieces: Pieces;
  private readonly merges: Merges;
  private readonly byteFallback: boolean;
  private readonly ignoreMerges: boolean;
  private readonly known = new Map<string, readonly string[]>();

  constructor(model: JsonObject, pieces: Pieces, merges: Merges) {
    this.pieces = pieces;
    this.merges = merges;
    this.unknown = typeof model.unk_token === "string" ? model.unk_token : undefined;
    this.byteFallback = model.byte_fallback === true;
    this.ignoreMerges = model.ignore_merges === true;
  }

  tokensOf(word: string): readonly string[] {
    let tokens = this.known.get(word);
    if (tokens) return tokens;
    tokens = this.ignoreMerges && this.pieces.id(word) !== undefined ? [word] : this.join(word);
    if (word.length < maxKnownLength) {
      if (this.known.size >= maxKnownWords) this.known.clear();
      this.known.set(word, tokens);
    }
    return tokens;
  }

  private join(word: string): string[] {
    const characters = Array.from(word);
    const ids = Int32Array.from(characters, (character) => this.pieces.baseId(character));
    // A list of what is left: the position after each, and before it.
    const next = Int32Array.from(ids, (_, i) => i + 1);
    const previous = Int32Array.from(ids, (_, i) => i - 1);
    const queue: number[] = [];
    const offer = (at: number) => {
      const rank = at >= 0 && next[at]! < ids.length ? this.merges.rank(ids[at]!, ids[next[at]!]!) : -1;
      if (rank >= 0) push(queue, rank * positions + at);
    };
    for (let at = 0; at < ids.length - 1; at++) offer(at);
    while (queue.length > 0) {
      const first = pop(queue);
      const at = first % positions;
      const second = next[at]!;
      const rank = (first - at) / positions;
      // What was joined since has another rank, or none.
      if (next[at] === gone || second >= ids.length || this.merges.rank(ids[at]!, ids[second]!) !== rank) continue;
      ids[at] = this.merges.joined[rank]!;
      next[at] = next[second]!;
      next[second] = gone;
      if (next[at]! < ids.length) previous[next[at]!] = at;
      offer(previous[at]!);
      offer(at);
    }
    const tokens: string[] = [];
    for (let at = 0; at < ids.length; at = next[at]!) {
      if (ids[at]! >= 0) tokens.push(this.pieces.text(ids[at]!)!);
      else tokens.push(...this.spell(characters[at]!));
    }
    return tokens;
  }

  /** A character that the vocabulary does not have. */
  private spell(character: string): string[] {
    if (this.pieces.id(character) !== undefined) return [character];
    if (this.byteFallback) {
      const bytes = Array.from(new TextEncoder().encode(character), byteName);
      if (bytes.every((name) => this.pieces.id(name) !== undefined)) return bytes;
    }
    return this.unknown === undefined ? [] : [this.unknown];
  }
}

/** In the place of a next position. */
const gone = -1;

const byteName = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;

/** A binary heap, the least first. */
function push(heap: number[], value: number): void {
  let at = heap.push(value) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]! <= value) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = value;
}

function pop(heap: number[]): number {
  const least = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return least;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= last) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return least;
}
