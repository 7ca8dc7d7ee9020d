/**
 * Masked-language modelling (Devlin et al. 2019, arXiv 1810.04805, section 3.1): of the tokens of a sequence 15 % are to be predicted
 * from all others. Where a token is chosen, the model sees the mask in its place (8 in 10), another token (1 in 10) or the token itself
 * (1 in 10), so that it cannot know which words it can trust.
 *
 * `spans` chooses several tokens in a row, as ALBERT does (Lan et al. 2020, arXiv 1909.11942, section 4.1): lengths 1 to 3, with
 *
 *   p(n) = (1 / n) / Σ 1 / k
 *
 * The same seed gives the same masks everywhere.
 */
import { inputError } from "../errors.ts";
import { createRandom, type Random } from "../generate/random.ts";

export interface Masking {
  /** The token that stands for what is masked. */
  readonly mask: number;
  /** Tokens that may stand in another's place are less than this. */
  readonly vocabSize: number;
  /** Single tokens, or spans of 1 to 3. */
  readonly units?: "tokens" | "spans";
  /** Share of the tokens that are predicted; without it, 0.15. */
  readonly share?: number;
  /** Tokens that are never masked nor put in another's place: separators, padding. */
  readonly special?: ReadonlySet<number>;
}

export interface Masked {
  /** What the model is given. */
  readonly tokens: Int32Array;
  /** What it is to predict: the token where one was chosen, else -1. */
  readonly targets: Int32Array;
}

/** Longest span of `spans`. */
const LONGEST = 3;

/**
 * One sequence, masked: at least one token, and else `share` of those that are not special, rounded.
 * Throws `mask-token` where the mask is no token of the vocabulary.
 */
export function mask(sequence: ArrayLike<number>, masking: Masking, seed: number): Masked {
  const { mask, vocabSize, share = 0.15, special = new Set() } = masking;
  if (!Number.isInteger(mask) || mask < 0 || mask >= vocabSize) {
    throw inputError(
      "mask-token",
      `the mask is token ${mask}, which is not in the vocabulary of ${vocabSize}`,
      "Name the id of a token that the text does not use, such as that of [MASK].",
    );
  }
  const random = createRandom(seed);
  const original = Int32Array.from(sequence);
  const tokens = original.slice();
  const targets = new Int32Array(original.length).fill(-1);
  const free = [...original.keys()].filter((i) => original[i] !== mask && !special.has(original[i]!));
  const wanted = Math.min(free.length, Math.max(1, Math.round(share * free.length)));
  for (const i of chosen(free, wanted, masking.units ?? "tokens", random)) {
    targets[i] = original[i]!;
    const fate = random();
    if (fate < 0.8) tokens[i] = mask;
    else if (fate < 0.9) tokens[i] = anyToken(vocabSize, mask, special, random);
  }
  return { tokens, targets };
}

/** The sequences of a batch [sequences, length], each masked by a seed of its own. */
export function maskBatch(batch: ArrayLike<number>, length: number, masking: Masking, seed: number): Masked {
  const all = Int32Array.from(batch);
  const [tokens, targets] = [new Int32Array(all.length), new Int32Array(all.length)];
  const seeds = createRandom(seed);
  for (let first = 0; first < all.length; first += length) {
    const masked = mask(all.subarray(first, first + length), masking, Math.floor(seeds() * 2 ** 53));
    tokens.set(masked.tokens, first);
    targets.set(masked.targets, first);
  }
  return { tokens, targets };
}

/** `wanted` of the `free` positions. Spans begin anywhere and end before what is not free, or chosen already. */
function chosen(free: readonly number[], wanted: number, units: "tokens" | "spans", random: Random): readonly number[] {
  const open = new Set(free);
  const picked: number[] = [];
  for (const start of permuted(free, random)) {
    const length = units === "tokens" ? 1 : spanLength(random);
    for (let i = start; i < start + length && picked.length < wanted && open.delete(i); i++) picked.push(i);
    if (picked.length === wanted) break;
  }
  return picked.sort((a, b) => a - b);
}

/** Fisher and Yates' shuffle. */
function permuted(items: readonly number[], random: Random): number[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

function spanLength(random: Random): number {
  const weights = Array.from({ length: LONGEST }, (_, i) => 1 / (i + 1));
  let at = random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    if (at < weight) return i + 1;
    at -= weight;
  }
  return LONGEST;
}

/** Any token but the mask and special ones; the mask, where there is no other. */
function anyToken(vocabSize: number, mask: number, special: ReadonlySet<number>, random: Random): number {
  for (let tries = 0; tries < 100; tries++) {
    const token = Math.floor(random() * vocabSize);
    if (token !== mask && !special.has(token)) return token;
  }
  return mask;
}
