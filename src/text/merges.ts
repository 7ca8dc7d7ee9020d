/** The merges of byte pair encoding as ids, in the order in which they count: which pairs may be joined, and to what. */

import type { TextList } from "../weights/text-list.ts";
import { hashBytes, type Pieces } from "./pieces.ts";
import { quote, shapeError } from "./tokenizer-json.ts";

const space = 0x20;

export class Merges {
  readonly left: ArrayLike<number>;
  readonly right: ArrayLike<number>;
  readonly joined: ArrayLike<number>;
  /** Open addressing by pair: rank + 1, or 0. */
  private readonly slots: Int32Array;

  /** Ids by rank. Of two merges of one pair the later counts, as in the `tokenizers` library. */
  constructor(left: ArrayLike<number>, right: ArrayLike<number>, joined: ArrayLike<number>) {
    this.left = left;
    this.right = right;
    this.joined = joined;
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(left.length + 1) + 1));
    for (let rank = 0; rank < left.length; rank++) this.slots[this.slotOf(left[rank]!, right[rank]!)] = rank + 1;
  }

  get length(): number {
    return this.left.length;
  }

  /** The lower, the earlier it is joined; -1 where it never is. */
  rank(left: number, right: number): number {
    return left < 0 || right < 0 ? -1 : this.slots[this.slotOf(left, right)]! - 1;
  }

  private slotOf(left: number, right: number): number {
    const mask = this.slots.length - 1;
    const hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const rank = this.slots[slot]! - 1;
      if (rank < 0 || (this.left[rank] === left && this.right[rank] === right)) return slot;
    }
  }
}

/** From texts such as "th e". @throws input error `tokenizer-shape`. */
export function mergesOfTexts({ bytes, ends }: TextList, pieces: Pieces): Merges {
  const [left, right, joined] = [0, 1, 2].map(() => new Int32Array(ends.length)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  const text = (begin: number, end: number) => new TextDecoder().decode(bytes.subarray(begin, end));
  for (let rank = 0, begin = 0; rank < ends.length; begin = ends[rank++]!) {
    const end = ends[rank]!;
    let cut = begin;
    while (cut < end && bytes[cut] !== space) cut++;
    let next = cut + 1;
    while (next < end && bytes[next] !== space) next++;
    if (cut === end || next < end) throw notTwo(rank, text(begin, end));
    const hash = hashBytes(bytes, begin, cut);
    left[rank] = pieces.find(bytes, begin, cut, hash);
    right[rank] = pieces.find(bytes, cut + 1, end, hashBytes(bytes, cut + 1, end));
    if (left[rank]! < 0 || right[rank]! < 0) throw unknownParts(rank, [text(begin, cut), text(cut + 1, end)]);
    joined[rank] = pieces.find(bytes, begin, end, hashBytes(bytes, cut + 1, end, hash), cut);
    if (joined[rank]! < 0) throw unknownWhole(rank, text(begin, cut) + text(cut + 1, end));
  }
  return new Merges(left, right, joined);
}

/** From pairs of texts, of which each may hold spaces. @throws input error `tokenizer-shape`. */
export function mergesOfPairs(pairs: readonly unknown[], pieces: Pieces): Merges {
  const [left, right, joined] = [0, 1, 2].map(() => new Int32Array(pairs.length)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  pairs.forEach((pair, rank) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw notTwo(rank, pair);
    const [a, b] = pair as readonly unknown[];
    left[rank] = typeof a === "string" ? pieces.baseId(a) : -1;
    right[rank] = typeof b === "string" ? pieces.baseId(b) : -1;
    if (left[rank]! < 0 || right[rank]! < 0) throw unknownParts(rank, pair);
    joined[rank] = pieces.baseId(`${a}${b}`);
    if (joined[rank]! < 0) throw unknownWhole(rank, `${a}${b}`);
  });
  return new Merges(left, right, joined);
}

const notTwo = (rank: number, merge: unknown) =>
  shapeError(`merge ${rank} should be two tokens, it is ${quote(merge)}`);
const unknownParts = (rank: number, pair: unknown) =>
  shapeError(`merge ${rank}, ${quote(pair)}, joins what is not in the vocabulary`);
const unknownWhole = (rank: number, whole: string) =>
  shapeError(`merge ${rank} makes ${quote(whole)}, which is not in the vocabulary`);
