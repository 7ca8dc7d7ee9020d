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
 * Steps 3 to 5 each keep a beginning of the same order, of falling logits (the lower id first among equals), and nothing ever sorts
 * the vocabulary: top-k passes over it once with the best k so far, top-p takes tokens off a heap until it has enough, min-p is a
 * threshold. Exponentials, which cost most, are computed for those tokens only whose share a step needs.
 * Sums are in float64. The same seed gives the same tokens wherever logits and `Math.exp` agree to the last bit.
 */
import { failure, inputError } from "../errors.ts";
import { descending, greatest } from "./descending.ts";
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
  let scratch = new Scratch(0);

  return (logits, recent) => {
    if (scratch.size !== logits.length) scratch = new Scratch(logits.length);
    // A copy in one type: loops that meet two types of array are slower than the copy.
    const { values } = scratch;
    values.set(logits);
    if (repetitionPenalty !== 1) penalize(values, recent, repetitionPenalty);
    const best = argmax(values);
    if (temperature === 0) return best;
    const share: Share = { values, highest: values[best]!, temperature, weights: scratch.weights };
    const { ids } = scratch;
    if (topK > 0) {
      const top = greatest(values, topK, ids);
      weigh(share, top);
      return draw(scratch.weights, cut(scratch.weights, top, topP * sum(scratch.weights, top), minP), random());
    }
    if (topP === 1) return draw(scratch.weights, atLeast(share, minP, ids), random());
    const all = atLeast(share, 0, ids);
    const mass = sum(scratch.weights, all);
    // All tokens below the floor hold less than 1 - p together, so none of them is needed, and the heap stays small.
    const floor = Math.max(minP, ((1 - topP) * mass) / values.length);
    const ordered = descending(values, atLeast(share, floor, ids));
    return draw(scratch.weights, cut(scratch.weights, ordered, topP * mass, minP), random());
  };
}

/** What a draw needs room for; kept from one to the next. */
class Scratch {
  readonly size: number;
  readonly values: Float64Array;
  /** Proportional to the probability, 1 for the most probable token; of the tokens only that were weighed. */
  readonly weights: Float64Array;
  readonly ids: Int32Array;

  constructor(size: number) {
    this.size = size;
    this.values = new Float64Array(size);
    this.weights = new Float64Array(size);
    this.ids = new Int32Array(size);
  }
}

/** How logits become weights. */
interface Share {
  readonly values: Float64Array;
  readonly highest: number;
  readonly temperature: number;
  readonly weights: Float64Array;
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

function weigh({ values, highest, temperature, weights }: Share, ids: Int32Array): void {
  for (const id of ids) weights[id] = Math.exp((values[id]! - highest) / temperature);
}

/** The tokens whose weight is at least `least`, by id; `ids` has room for them. */
function atLeast({ values, highest, temperature, weights }: Share, least: number, ids: Int32Array): Int32Array {
  // A token that is clearly below needs no exponential.
  const floor = Math.log(least) - 1e-6;
  let count = 0;
  for (let id = 0; id < values.length; id++) {
    const exponent = (values[id]! - highest) / temperature;
    if (exponent < floor) continue;
    const weight = Math.exp(exponent);
    weights[id] = weight;
    if (weight >= least) ids[count++] = id;
  }
  return ids.subarray(0, count);
}

/** Of tokens in falling order, the fewest that have `mass` together, as long as they weigh at least `minP`. */
function cut(weights: Float64Array, ordered: Iterable<number>, mass: number, minP: number): number[] {
  const kept: number[] = [];
  let reached = 0;
  for (const id of ordered) {
    if (weights[id]! < minP) break;
    kept.push(id);
    reached += weights[id]!;
    if (reached >= mass) break;
  }
  return kept;
}

function sum(weights: Float64Array, ids: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < ids.length; i++) sum += weights[ids[i]!]!;
  return sum;
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
