/**
 * What the fuzz runs of all file readers share: damaged files from seed 0 on, each of which a reader must read or refuse
 * with a RefrainError, within a second.
 */
import { RefrainError } from "../../src/errors.ts";
import { damaged, type Material, seededRandom } from "./mutate.ts";

export interface Target {
  readonly name: string;
  readonly material: Material;
  /** Makes a first check pass again (in place), so that half of the files reach what lies behind it. */
  repair?(bytes: Uint8Array): void;
  /** Reads a damaged file as a user's file would be read. */
  read(bytes: Uint8Array): Promise<unknown>;
}

export interface Tally {
  readonly accepted: number;
  /** How often each code of a RefrainError was seen. */
  readonly refused: ReadonlyMap<string, number>;
  readonly slowestMs: number;
}

/** Throws at the first file that is neither read nor refused, naming the seed; `damagedFile` makes it again. */
export async function fuzz(target: Target, begin: number, end: number): Promise<Tally> {
  const refused = new Map<string, number>();
  let accepted = 0;
  let slowestMs = 0;
  for (let seed = begin; seed < end; seed++) {
    const bytes = damagedFile(target, seed);
    const start = performance.now();
    try {
      await target.read(bytes);
      accepted++;
    } catch (error) {
      if (!RefrainError.is(error)) throw new Error(`${target.name}, seed ${seed}: ${error}`, { cause: error });
      refused.set(error.code, (refused.get(error.code) ?? 0) + 1);
    }
    const ms = performance.now() - start;
    if (ms > 1000) throw new Error(`${target.name}, seed ${seed}: took ${Math.round(ms)} ms`);
    slowestMs = Math.max(slowestMs, ms);
  }
  return { accepted, refused, slowestMs };
}

export function damagedFile(target: Target, seed: number): Uint8Array {
  const bytes = damaged(target.material, seededRandom(seed));
  if (seed % 2 === 1) target.repair?.(bytes);
  return bytes;
}
