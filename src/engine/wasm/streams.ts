/**
 * Quantized matrices as streams: what a thread reads of one matrix stands right behind what it reads of the matrix that is played
 * before, so that its weights come as one run of memory. Where they do not, the processor throws away what it has
 * fetched ahead, once for each matrix.
 *
 * A thread's share of a matrix are the groups of 16 rows whose outputs it computes (blocks of 32, divided evenly).
 */

/** In groups of 16 rows. */
export interface StreamedMatrix {
  readonly groups: number;
  readonly groupBytes: number;
}

export interface Share {
  /** The group behind its last. */
  readonly end: number;
  /** Where group 0 would stand if all groups before the share's stood before it; may be negative. */
  readonly base: number;
}

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** First group of a thread's share; the kernels' `sliceColumns` in groups. */
const firstGroup = (groups: number, thread: number, threads: number): number =>
  2 * Math.floor(((groups / 2) * thread) / threads);

/** The shares of each matrix, one for each thread, in as many bytes from `address`. */
export function layOutStreams(
  matrices: readonly StreamedMatrix[],
  threads: number,
  address = 0,
): { readonly shares: readonly (readonly Share[])[]; readonly bytes: number } {
  const shares: Share[][] = matrices.map(() => []);
  let at = address;
  for (let thread = 0; thread < threads; thread++) {
    matrices.forEach(({ groups, groupBytes }, i) => {
      const first = firstGroup(groups, thread, threads);
      const end = firstGroup(groups, thread + 1, threads);
      shares[i]!.push({ end, base: at - first * groupBytes });
      at += (end - first) * groupBytes;
    });
    at = align(at);
  }
  return { shares, bytes: at - address };
}

/** Where a group stands. */
export function groupAddress(shares: readonly Share[], group: number, groupBytes: number): number {
  return shares.find(({ end }) => group < end)!.base + group * groupBytes;
}

/** Words of the table by which kernels find the shares of a matrix (kernels/shares.ts). */
export const shareWords = (threads: number): number => 1 + 2 * threads;

export const shareTable = (shares: readonly Share[]): readonly number[] => [
  shares.length,
  ...shares.flatMap(({ end, base }) => [end, base]),
];
