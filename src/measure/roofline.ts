/**
 * Predicts how long a plan takes on a device of which a profile is known. Each instruction takes as long as its operations or as its bytes,
 * whichever is more (Williams et al. 2009, "Roofline"), its bytes coming from the cache that still holds them (see engine/reuse.ts); of the lesser
 * remains what the device was seen not to hide (see device/exposure.ts):
 *
 *   seconds = play + Σ [ instruction + barrier + max(c, t) + exposed · min(c, t) ]
 *   c = operations / rate,  t = Σ bytes / bandwidth(reuse distance)
 */
import type { Parameter, StorageType } from "../engine/parameter.ts";
import { reuseDistances } from "../engine/reuse.ts";
import { bandwidthAt } from "./device/curve.ts";
import type { Measurement } from "./device/profile.ts";
import { type Planned, type Play, type Work, type WorkKind, workOf } from "./work.ts";

export interface Prediction {
  readonly seconds: number;
  /** Where the seconds go; they add up. */
  readonly parts: {
    /** Products with matrices. */
    readonly linear: number;
    readonly attention: number;
    /** Norms, activations, rotations, quantization. */
    readonly elements: number;
    /** Barriers, instructions that are begun, the play itself. */
    readonly synchronization: number;
  };
  /** Of the seconds of linear maps and attention, the share in which memory or caches are what is waited for. */
  readonly memoryBound: number;
}

/** Fewer rows than this are multiplied one by one. */
const MANY_ROWS = 4;

/** One play among others like it, as when tokens follow one another. */
export function predictPlay(
  planned: Planned,
  storage: (parameter: Parameter) => StorageType,
  play: Play,
  measured: Measurement,
): Prediction {
  const works = workOf(planned, storage, play);
  const transfers = transferSeconds(works, measured);
  const parts = { linear: 0, attention: 0, elements: 0, synchronization: 0 };
  let waiting = 0;
  works.forEach((work, i) => {
    const operations = operationSeconds(work, measured);
    const visible = work.kind === "linear" && work.rows < MANY_ROWS ? exposed(work.kernel, measured.rates) : 0;
    const seconds = Math.max(operations, transfers[i]!) + visible * Math.min(operations, transfers[i]!);
    parts[work.kind] += seconds;
    if (work.kind !== "elements" && transfers[i]! > operations) waiting += seconds;
    parts.synchronization += measured.synchronization.instruction;
    if (work.barrier) parts.synchronization += measured.synchronization.barrier;
  });
  parts.synchronization += measured.synchronization.play;
  const seconds = parts.linear + parts.attention + parts.elements + parts.synchronization;
  return { seconds, parts, memoryBound: waiting / (parts.linear + parts.attention) };
}

/** A prompt of `tokens` tokens from an empty cache to the logits of its last, in the chunks that a session plays. */
export function predictPrompt(
  planned: Planned,
  storage: (parameter: Parameter) => StorageType,
  tokens: number,
  measured: Measurement,
): number {
  const { maxRows } = planned.plan.limits;
  let seconds = 0;
  for (let position = 0; position < tokens; position += maxRows) {
    const play = { rows: Math.min(maxRows, tokens - position), position };
    seconds += predictPlay(planned, storage, play, measured).seconds;
  }
  return seconds;
}

/** For each instruction, the seconds in which its weights and caches can be brought. */
function transferSeconds(works: readonly Work[], { bandwidth }: Measurement): number[] {
  const distances = reuseDistances(works.flatMap(({ accesses }) => accesses));
  let next = 0;
  return works.map(({ accesses }) =>
    accesses.reduce((sum, { bytes, passing }) => {
      const distance = distances[next++]!;
      return passing ? sum : sum + bytes / bandwidthAt(bandwidth, distance);
    }, 0),
  );
}

function operationSeconds(work: Work, { rates }: Measurement): number {
  const side = work.rows < MANY_ROWS ? "oneRow" : "manyRows";
  const rate = (kernel: string): number => rates[kernel]?.[side] ?? slowestLike(work.kind, side, rates);
  const beginning = work.start === 0 ? 0 : work.start / rate(`${work.kernel} start`);
  return work.operations / rate(work.kernel) + beginning;
}

/** The share of the shorter of computing and waiting that the longer does not hide. */
function exposed(kernel: string, rates: Measurement["rates"]): number {
  const known = Object.values(rates).flatMap((rate) => rate.exposed ?? []);
  return rates[kernel]?.exposed ?? Math.max(0, ...known);
}

/** What a kernel that was not measured is taken for: the slowest of its kind. */
function slowestLike(kind: WorkKind, side: "oneRow" | "manyRows", rates: Measurement["rates"]): number {
  const alike = Object.values(rates).filter((rate) => rate.kind === kind);
  return Math.min(...(alike.length > 0 ? alike : Object.values(rates)).map((rate) => rate[side]));
}
