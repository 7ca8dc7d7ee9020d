/**
 * Damages bytes for the fuzz runs of the file readers: bit flips, truncation, splices, extreme integers, words of the
 * format. Everything follows from a seed, so that a failing case is named by two numbers. It is not guided by coverage:
 * the readers are small, and the dictionary brings the mutations to where the decisions are.
 */

/** A seeded generator of pseudo-random integers. */
export interface Random {
  /** An integer in [0, bound). */
  below(bound: number): number;
}

/** Mulberry32 (Tommy Ettinger, public domain): 32 bits of state, good enough to pick bytes. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return { below: (bound) => Math.floor((next() / 2 ** 32) * bound) };
}

/** What mutations of one format draw from. */
export interface Material {
  /** Valid files; mutations start from one of them and may splice in a piece of another. */
  readonly corpus: readonly Uint8Array[];
  /** Words that the format's reader decides on: keys, type names, magic numbers, brackets. */
  readonly dictionary: readonly Uint8Array[];
}

/** One damaged file: a file of the corpus after one to four mutations. */
export function damaged(material: Material, random: Random): Uint8Array {
  let bytes: Uint8Array = pick(material.corpus, random).slice();
  for (let left = 1 + random.below(4); left > 0; left--) bytes = pick(mutations, random)(bytes, random, material);
  return bytes;
}

/** Text as bytes, for dictionaries. */
export function words(...texts: string[]): Uint8Array[] {
  return texts.map((text) => new TextEncoder().encode(text));
}

type Mutation = (bytes: Uint8Array, random: Random, material: Material) => Uint8Array;

const mutations: readonly Mutation[] = [
  flipBits,
  replaceBytes,
  truncate,
  extend,
  removePiece,
  repeatPiece,
  splice,
  extremeInteger,
  extremeInteger,
  extremeDigits,
  insertWord,
  insertWord,
  overwriteWithWord,
];

function flipBits(bytes: Uint8Array, random: Random): Uint8Array {
  for (let left = 1 + random.below(8); left > 0 && bytes.length > 0; left--) {
    bytes[position(bytes, random)]! ^= 1 << random.below(8);
  }
  return bytes;
}

function replaceBytes(bytes: Uint8Array, random: Random): Uint8Array {
  for (let left = 1 + random.below(8); left > 0 && bytes.length > 0; left--) {
    bytes[position(bytes, random)] = random.below(256);
  }
  return bytes;
}

function truncate(bytes: Uint8Array, random: Random): Uint8Array {
  return bytes.slice(0, random.below(bytes.length + 1));
}

function extend(bytes: Uint8Array, random: Random): Uint8Array {
  return join(bytes, new Uint8Array(1 + random.below(64)).fill(random.below(256)));
}

function removePiece(bytes: Uint8Array, random: Random): Uint8Array {
  const [begin, end] = piece(bytes, random);
  return join(bytes.subarray(0, begin), bytes.subarray(end));
}

function repeatPiece(bytes: Uint8Array, random: Random): Uint8Array {
  const [begin, end] = piece(bytes, random);
  const copies = Array.from({ length: 2 + random.below(30) }, () => bytes.subarray(begin, end));
  return join(bytes.subarray(0, begin), ...copies, bytes.subarray(end));
}

function splice(bytes: Uint8Array, random: Random, { corpus }: Material): Uint8Array {
  const other = pick(corpus, random);
  const [begin, end] = piece(other, random);
  const at = random.below(bytes.length + 1);
  return join(bytes.subarray(0, at), other.subarray(begin, end), bytes.subarray(at));
}

/** Where counts, lengths and offsets overflow: around powers of two, at the limits of doubles and of both integers. */
const extremes = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  100_000_000n,
  100_000_001n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 61n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 8n,
  2n ** 64n - 1n,
];

function extremeInteger(bytes: Uint8Array, random: Random): Uint8Array {
  const width = pick([1, 2, 4, 8], random);
  if (bytes.length < width) return bytes;
  // Half of them hit the first bytes, where every format keeps its counts.
  const span = random.below(2) === 0 ? Math.min(32, bytes.length - width + 1) : bytes.length - width + 1;
  let at = random.below(span);
  let value = pick(extremes, random);
  for (let left = width; left > 0; left--, value >>= 8n) bytes[at++] = Number(value & 0xffn);
  return bytes;
}

/** Puts an extreme number where a decimal number stands, for formats that are text. */
function extremeDigits(bytes: Uint8Array, random: Random): Uint8Array {
  const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;
  const start = random.below(bytes.length + 1);
  const begin = bytes.subarray(start).findIndex(isDigit) + start;
  if (begin < start) return bytes;
  let end = begin;
  while (isDigit(bytes[end])) end++;
  const [number] = words(`${random.below(4) === 0 ? "-" : ""}${pick(extremes, random)}`);
  return join(bytes.subarray(0, begin), number!, bytes.subarray(end));
}

function insertWord(bytes: Uint8Array, random: Random, { dictionary }: Material): Uint8Array {
  if (dictionary.length === 0) return bytes;
  const word = pick(dictionary, random);
  // Now and then very often in a row: brackets become nesting bombs.
  const times = random.below(8) === 0 ? 1 + random.below(2000) : 1;
  const at = random.below(bytes.length + 1);
  return join(bytes.subarray(0, at), ...Array.from({ length: times }, () => word), bytes.subarray(at));
}

function overwriteWithWord(bytes: Uint8Array, random: Random, { dictionary }: Material): Uint8Array {
  if (dictionary.length === 0) return bytes;
  const word = pick(dictionary, random);
  if (word.length <= bytes.length) bytes.set(word, random.below(bytes.length - word.length + 1));
  return bytes;
}

function pick<T>(choices: readonly T[], random: Random): T {
  return choices[random.below(choices.length)]!;
}

function position(bytes: Uint8Array, random: Random): number {
  return random.below(bytes.length);
}

/** A stretch of at most 64 bytes. */
function piece(bytes: Uint8Array, random: Random): [begin: number, end: number] {
  const begin = random.below(bytes.length + 1);
  return [begin, Math.min(bytes.length, begin + random.below(65))];
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
