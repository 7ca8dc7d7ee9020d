/** First-fit bookkeeping over a range of addresses; it touches no memory. */

export interface FreeSpace {
  /** An address aligned to 64, or undefined where no gap is large enough. */
  take(bytes: number): number | undefined;
  give(address: number): void;
  /** Bytes in use. */
  readonly used: number;
}

const ALIGNMENT = 64;

export function freeSpace(begin: number, end: number): FreeSpace {
  /** Taken regions, in order of address. */
  const taken: { begin: number; end: number }[] = [];
  return {
    take(bytes) {
      const length = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
      let at = begin;
      let index = 0;
      for (; index < taken.length && taken[index]!.begin - at < length; index++) at = taken[index]!.end;
      if (at + length > end) return undefined;
      taken.splice(index, 0, { begin: at, end: at + length });
      return at;
    },
    give(address) {
      const index = taken.findIndex((region) => region.begin === address);
      if (index < 0) throw new Error(`address ${address} was not taken`);
      taken.splice(index, 1);
    },
    get used() {
      return taken.reduce((sum, region) => sum + region.end - region.begin, 0);
    },
  };
}
