/**
 * The texts of a vocabulary by id, and the ids by text: bytes and a hash table over them, in flat arrays. Objects and Maps of
 * 50,000 strings would take forty times the memory and most of the time in which a small model starts.
 */
import { inputError } from "../errors.ts";
import type { TextList } from "../weights/text-list.ts";
import { maxVocabulary, quote } from "./tokenizer-json.ts";

const encoder = new TextEncoder();

/** FNV-1a; goes on from the hash of what stands before. */
export function hashBytes(bytes: Uint8Array, begin: number, end: number, before = 0x811c9dc5): number {
  let hash = before;
  for (let i = begin; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}

export class Pieces {
  /** By id; at an id that no token has stands an empty text. */
  readonly texts: TextList;
  private readonly holes: ReadonlySet<number>;
  /** Open addressing: id + 1, or 0. */
  private readonly slots: Int32Array;
  private readonly added = new Map<string, number>();
  private readonly addedTexts = new Map<number, string>();
  private readonly known: (string | undefined)[] = [];
  private scratch = new Uint8Array(64);
  private top: number;

  /**
   * @param name of the file, for messages
   * @param holes ids that no token has
   * @throws input errors `vocabulary-size`, `vocabulary-duplicate`
   */
  constructor(name: string, texts: TextList, holes: ReadonlySet<number> = new Set()) {
    const count = texts.length;
    if (count === 0 || count > maxVocabulary) {
      const message = `${name}: a vocabulary of ${count} tokens; 1 to ${maxVocabulary} can be read`;
      throw inputError("vocabulary-size", message);
    }
    this.texts = texts;
    this.holes = holes;
    this.top = count;
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(count + 1) + 1));
    const { bytes, ends } = texts;
    for (let id = 0, begin = 0; id < count; begin = ends[id++]!) {
      if (holes.has(id)) continue;
      const slot = this.slotOf(bytes, begin, ends[id]!, hashBytes(bytes, begin, ends[id]!), ends[id]!);
      const other = this.slots[slot]!;
      if (other !== 0) {
        throw inputError(
          "vocabulary-duplicate",
          `${name}: the tokens ${other - 1} and ${id} have the same text, ${quote(texts.text(id))}`,
          "Convert the model again, with a current version of the converter.",
        );
      }
      this.slots[slot] = id + 1;
    }
  }

  /** Highest id + 1, added tokens included. */
  get size(): number {
    return this.top;
  }

  /** Ids of the vocabulary itself, without added tokens. */
  *ids(): Generator<number> {
    for (let id = 0; id < this.texts.length; id++) if (!this.holes.has(id)) yield id;
  }

  /** Undefined for an id that no token has. */
  text(id: number): string | undefined {
    const added = this.addedTexts.get(id);
    if (added !== undefined) return added;
    if (!Number.isInteger(id) || id < 0 || id >= this.texts.length || this.holes.has(id)) return undefined;
    this.known[id] ??= this.texts.text(id);
    return this.known[id];
  }

  id(text: string): number | undefined {
    const added = this.added.get(text);
    if (added !== undefined) return added;
    const id = this.baseId(text);
    return id < 0 ? undefined : id;
  }

  /** The id in the vocabulary itself, whatever was added; or -1. */
  baseId(text: string): number {
    if (this.scratch.length < 3 * text.length) this.scratch = new Uint8Array(6 * text.length);
    const { written } = encoder.encodeInto(text, this.scratch);
    return this.find(this.scratch, 0, written, hashBytes(this.scratch, 0, written));
  }

  /** The same for bytes [begin, end) without the one at `skip`; `hash` is theirs. */
  find(bytes: Uint8Array, begin: number, end: number, hash: number, skip = end): number {
    return this.slots[this.slotOf(bytes, begin, end, hash, skip)]! - 1;
  }

  /** A token beside the vocabulary, or instead of one of its texts. */
  add(id: number, text: string): void {
    this.added.set(text, id);
    this.addedTexts.set(id, text);
    this.top = Math.max(this.top, id + 1);
  }

  /** Where the piece with these bytes stands, or the free slot where it would. */
  private slotOf(bytes: Uint8Array, begin: number, end: number, hash: number, skip: number): number {
    const { texts, slots } = this;
    const length = end - begin - (skip < end ? 1 : 0);
    const mask = slots.length - 1;
    for (let slot = (hash ^ (hash >>> 15)) & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot]! - 1;
      if (id < 0) return slot;
      const from = id === 0 ? 0 : texts.ends[id - 1]!;
      if (texts.ends[id]! - from !== length) continue;
      let i = 0;
      while (i < length && texts.bytes[from + i] === bytes[begin + i + (begin + i >= skip ? 1 : 0)]) i++;
      if (i === length) return slot;
    }
  }
}
