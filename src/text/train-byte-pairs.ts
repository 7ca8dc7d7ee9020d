/**
 * Trains byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909; on bytes, as GPT-2): words are spelled in bytes, and again
 * and again the pair of neighbors that occurs most often becomes one token. Of pairs that occur equally often the one whose bytes
 * are greatest is taken, the first half compared first, so that the same words always give the same merges.
 *
 * Not counted anew after each merge: a pair knows the places where it stands, so that a merge costs as much as the places that it
 * changes. A queue gives the most frequent pair; a pair that became rarer since it was queued is queued again.
 */
import { gpt2Words } from "./pre-tokenizer.ts";

/** Ids 0 to 255 are bytes, 256 + i is what merge i makes. */
export type BytePairMerge = readonly [left: number, right: number];

/** Rust's `\s`, by which other readers of a tokenizer.json cut: JavaScript's lacks U+0085 and has U+FEFF. */
const whitespace = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const words = new RegExp(
  gpt2Words
    .replaceAll("[^\\s", `[^${whitespace}`)
    .replaceAll("\\s", `[${whitespace}]`)
    .replaceAll("\\S", `[^${whitespace}]`),
  "gu",
);

/** Adds the words of a text, as GPT-2 cuts it, to how often each was seen. */
export function countWords(text: string, counts: Map<string, number>): void {
  for (const [word] of text.matchAll(words)) counts.set(word, (counts.get(word) ?? 0) + 1);
}

/**
 * At most `most` merges, in the order in which they count; fewer where no pair is left that occurs twice.
 * @param counts how often each word occurs
 */
export function trainBytePairs(counts: ReadonlyMap<string, number>, most: number): BytePairMerge[] {
  const training = new Training(counts);
  const merges: BytePairMerge[] = [];
  while (merges.length < most) {
    const merge = training.merge();
    if (merge === undefined) break;
    merges.push(merge);
  }
  return merges;
}

/** A place that belongs to another token, or to none. */
const gone = -1;
/** A pair's key is left · 2^21 + right; no vocabulary is larger. */
const ids = 2 ** 21;

interface Pair {
  readonly left: number;
  readonly right: number;
  count: number;
  /** What `count` was when the pair was queued. */
  queued: number;
  /** Where its left half stood when the pair came to be, ascending. */
  readonly places: number[];
}

class Training {
  /** The words one after the other, a token at the place of its first byte. */
  private readonly tokens: Int32Array;
  /** The places of the neighbors within the word, or `gone`. */
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  /** How often the word at this place occurs. */
  private readonly weights: Float64Array;
  private readonly pairs = new Map<number, Pair>();
  private readonly queue: Pair[] = [];
  /** What each token spells, a character a byte. */
  private readonly spelled = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));

  constructor(counts: ReadonlyMap<string, number>) {
    const encoder = new TextEncoder();
    const spelled = Array.from(counts, ([word, count]) => ({ bytes: encoder.encode(word), count }));
    const length = spelled.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.tokens = new Int32Array(length);
    this.next = new Int32Array(length).fill(gone);
    this.previous = new Int32Array(length).fill(gone);
    this.weights = new Float64Array(length);
    let begin = 0;
    for (const { bytes, count } of spelled) {
      const end = begin + bytes.length;
      this.tokens.set(bytes, begin);
      this.weights.fill(count, begin, end);
      for (let at = begin; at < end - 1; at++) {
        this.next[at] = at + 1;
        this.previous[at + 1] = at;
      }
      begin = end;
    }
    for (let at = 0; at < length; at++) this.count(at, 1);
    for (const pair of this.pairs.values()) this.push(pair);
  }

  /** Joins the most frequent pair wherever it stands. */
  merge(): BytePairMerge | undefined {
    const pair = this.mostFrequent();
    if (pair === undefined) return undefined;
    const { left, right, places } = pair;
    const joined = this.spelled.length;
    this.spelled.push(this.spelled[left]! + this.spelled[right]!);
    const born = new Set<Pair>();
    for (const at of places) {
      const second = this.next[at]!;
      // Joined to something else since the pair was found here.
      if (this.tokens[at] !== left || second === gone || this.tokens[second] !== right) continue;
      const before = this.previous[at]!;
      const after = this.next[second]!;
      if (before !== gone) this.count(before, -1);
      if (after !== gone) this.count(second, -1);
      this.tokens[at] = joined;
      this.tokens[second] = gone;
      this.next[at] = after;
      this.next[second] = gone;
      if (after !== gone) this.previous[after] = at;
      if (before !== gone) born.add(this.count(before, 1)!);
      if (after !== gone) born.add(this.count(at, 1)!);
    }
    this.pairs.delete(left * ids + right);
    for (const one of born) this.push(one);
    return [left, right];
  }

  /** Adds the pair at a place to its count, or takes it off. */
  private count(at: number, sign: 1 | -1): Pair | undefined {
    const after = this.next[at]!;
    if (after === gone) return undefined;
    const [left, right] = [this.tokens[at]!, this.tokens[after]!];
    const key = left * ids + right;
    let pair = this.pairs.get(key);
    if (pair === undefined) {
      pair = { left, right, count: 0, queued: 0, places: [] };
      this.pairs.set(key, pair);
    }
    pair.count += sign * this.weights[at]!;
    if (sign > 0) pair.places.push(at);
    return pair;
  }

  private mostFrequent(): Pair | undefined {
    for (let pair = this.pop(); pair !== undefined; pair = this.pop()) {
      if (pair.count < 2) continue;
      if (pair.count === pair.queued) return pair;
      this.push(pair);
    }
    return undefined;
  }

  private isBefore(a: Pair, b: Pair): boolean {
    if (a.queued !== b.queued) return a.queued > b.queued;
    const { spelled } = this;
    if (a.left !== b.left) return spelled[a.left]! > spelled[b.left]!;
    return spelled[a.right]! > spelled[b.right]!;
  }

  private push(pair: Pair): void {
    const { queue } = this;
    pair.queued = pair.count;
    let at = queue.push(pair) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.isBefore(pair, queue[parent]!)) break;
      queue[at] = queue[parent]!;
      at = parent;
    }
    queue[at] = pair;
  }

  private pop(): Pair | undefined {
    const { queue } = this;
    const first = queue[0];
    const last = queue.pop();
    if (last === undefined || queue.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= queue.length) break;
      if (child + 1 < queue.length && this.isBefore(queue[child + 1]!, queue[child]!)) child++;
      if (!this.isBefore(queue[child]!, last)) break;
      queue[at] = queue[child]!;
      at = child;
    }
    queue[at] = last;
    return first;
  }
}
