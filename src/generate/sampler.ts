/**
 * Chooses the next token from logits. The steps, in the order of transformers:
 *
 * 1. repetition penalty (CTRL, Keskar et al. 2019): the logit l of every recent token becomes l / penalty, or l · penalty where l < 0;
 * 2. temperature: l / T; at T = 0 the highest logit wins, the lowest id among equals, and nothing below applies;
 * 3. top-k: only the k most probable stay;
 * 4. top-p (nucleus, Holtzman et al. 2020): of these, the fewest whose share of the probability is at least p;
 * 5. min-p (Nguyen et al. 2024): of these, those at least minP times as probable as the most probable;
 * 6. draw one, in proportion.
 *
 * Steps 3 to 5 each keep a beginning of the same descending order (the lower id first among equals), so tokens are taken off a heap
 * one by one until a step says stop: O(n) and a little for each token kept, where sorting the vocabulary would be O(n log n).
 * Sums are in float64. The same seed gives the same tokens wherever logits and `Math.exp` agree to the last bit.
 */
import { failure, inputError } from "../errors.ts";
import { descending } from "./descending.ts";
import { createRandom } from "./random.ts";

export interface SamplerOptions {
  /** 0 to 100; default 0.8. 0 always takes the most probable token. */
  readonly temperature?: number;
  /** An integer from 0; default 0, which is off. */
  readonly topK?: number;
  /** Above 0, to 1; default 1, which is off. */
  readonly topP?: number;
  /** 0 to 1; default 0, which is off. */
  readonly minP?: number;
  /** Above 0, to 10; default 1, which is off. */
  readonly repetitionPenalty?: number;
  /** An integer from 0 to 2^53 - 1; default a random one. */
  readonly seed?: number;
}

/** What is meant where nothing is said. */
export const samplerDefaults = { temperature: 0.8, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 } as const;

/**
 * @param logits one for each token of the vocabulary; not changed.
 * @param recent the tokens that the repetition penalty is for.
 * @returns the id of the token. @throws failure `logits` where a logit is NaN or +Infinity, or all are -Infinity.
 */
export type Sampler = (logits: Float32Array, recent: readonly number[]) => number;

/** @throws input error `sampling-option` naming the option and its range. */
export function createSampler(options: SamplerOptions = {}): Sampler {
  const {
    temperature = samplerDefaults.temperature,
    topK = samplerDefaults.topK,
    topP = samplerDefaults.topP,
    minP = samplerDefaults.minP,
    repetitionPenalty = samplerDefaults.repetitionPenalty,
  } = options;
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  check("temperature", temperature, temperature >= 0 && temperature <= 100, "a number from 0 to 100");
  check("topK", topK, Number.isSafeInteger(topK) && topK >= 0, "an integer from 0 (off)");
  check("topP", topP, topP > 0 && topP <= 1, "a number above 0, to 1 (off)");
  check("minP", minP, minP >= 0 && minP <= 1, "a number from 0 (off) to 1");
  const penaltyFits = repetitionPenalty > 0 && repetitionPenalty <= 10;
  check("repetitionPenalty", repetitionPenalty, penaltyFits, "a number above 0, to 10; 1 is off");
  check("seed", seed, Number.isSafeInteger(seed) && seed >= 0, `an integer from 0 to ${Number.MAX_SAFE_INTEGER}`);
  const random = createRandom(seed);
  let weights = new Float64Array(0);

  return (logits, recent) => {
    if (weights.length !== logits.length) weights = new Float64Array(logits.length);
    weights.set(logits);
    if (repetitionPenalty !== 1) penalize(weights, recent, repetitionPenalty);
    const best = argmax(weights);
    if (temperature === 0) return best;
    const highest = weights[best]!;
    for (let id = 0; id < weights.length; id++) weights[id] = Math.exp((weights[id]! - highest) / temperature);
    return draw(weights, keep(weights, topK, topP, minP), random());
  };
}

function check(option: string, value: number, holds: boolean, range: string): void {
  if (!holds) throw inputError("sampling-option", `${option} is ${value}; it should be ${range}`);
}

function penalize(logits: Float64Array, recent: readonly number[], penalty: number): void {
  for (const id of new Set(recent)) {
    const logit = logits[id];
    if (logit !== undefined) logits[id] = logit < 0 ? logit * penalty : logit / penalty;
  }
}

function argmax(logits: Float64Array): number {
  let best = -1;
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    // False for NaN too.
    if (!(logit < Number.POSITIVE_INFINITY)) {
      throw failure(
        "logits",
        `the model computed ${logit} as the logit of token ${id}`,
        "The weights are probably damaged.",
      );
    }
    if (logit > highest) {
      highest = logit;
      best = id;
    }
  }
  if (best < 0) {
    throw failure(
      "logits",
      `none of the ${logits.length} logits of the model is finite`,
      "The weights are probably damaged.",
    );
  }
  return best;
}

/**
 * The ids that steps 3 to 5 leave.
 * @param weights proportional to the probability, 1 for the most probable token.
 */
function keep(weights: Float64Array, topK: number, topP: number, minP: number): ArrayLike<number> {
  if (topK === 0 && topP === 1) return atLeast(weights, minP);
  let ordered: Iterable<number>;
  let mass: number;
  if (topK === 0) {
    mass = weights.reduce((sum, weight) => sum + weight);
    // All tokens below the floor hold less than 1 - p together, so none of them is needed, and the heap stays small.
    const floor = Math.max(minP, ((1 - topP) * mass) / weights.length);
    ordered = descending(weights, atLeast(weights, floor));
  } else {
    const top = firstOf(descending(weights, atLeast(weights, 0)), topK);
    mass = top.reduce((sum, id) => sum + weights[id]!, 0);
    ordered = top;
  }
  const kept: number[] = [];
  let reached = 0;
  for (const id of ordered) {
    if (weights[id]! < minP) break;
    kept.push(id);
    reached += weights[id]!;
    if (reached >= topP * mass) break;
  }
  return kept;
}

function atLeast(weights: Float64Array, least: number): Int32Array {
  const ids = new Int32Array(weights.length);
  let count = 0;
  for (let id = 0; id < weights.length; id++) if (weights[id]! >= least) ids[count++] = id;
  return ids.subarray(0, count);
}

function firstOf(ids: Iterable<number>, count: number): number[] {
  const first: number[] = [];
  for (const id of ids) if (first.push(id) === count) break;
  return first;
}

function draw(weights: Float64Array, ids: ArrayLike<number>, random: number): number {
  let mass = 0;
  for (let i = 0; i < ids.length; i++) mass += weights[ids[i]!]!;
  let left = random * mass;
  let chosen = ids[0]!;
  for (let i = 0; i < ids.length; i++) {
    const weight = weights[ids[i]!]!;
    // Where rounding leaves a rest at the end, the last token that can be drawn at all is taken.
    if (weight > 0) chosen = ids[i]!;
    left -= weight;
    if (left < 0) break;
  }
  return chosen;
}
