/**
 * A permutation of 0 … n - 1 that is computed where it is needed, so that any number of windows is shuffled in no memory: a Feistel
 * network of four rounds (Luby and Rackoff 1988) over the least even number of bits that holds n; what falls outside goes through it again
 * (cycle walking, Black and Rogaway 2002).
 */

const ROUNDS = 4;

/** Where place `index` of n is drawn from. The same seed gives the same permutation everywhere; n is below 2^52. */
export function shuffled(index: number, n: number, seed: number): number {
  const half = Math.max(1, Math.ceil(Math.log2(n) / 2));
  const size = 2 ** half;
  let value = index;
  do {
    let [left, right] = [Math.floor(value / size), value % size];
    for (let round = 0; round < ROUNDS; round++) {
      [left, right] = [right, (left ^ mix(right, seed, round)) & (size - 1)];
    }
    value = left * size + right;
  } while (value >= n);
  return value;
}

/** 32 bits of a word, a seed and a round (the finisher of MurmurHash 3). */
function mix(word: number, seed: number, round: number): number {
  let h =
    Math.imul(word ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(seed >>> 0, 0xc2b2ae35) ^ Math.imul(round + 1, 0x27d4eb2f);
  h ^= Math.floor(seed / 2 ** 32);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
