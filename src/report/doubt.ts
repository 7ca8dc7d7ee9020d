/** When not to trust a profile of a device. */
import { formatPercent } from "./format.ts";

/** Above this share of other work the figures are doubtful. */
const BUSY = 0.05;

/** What a reader must know of a profile that was made beside other work: a sentence, or none. */
export function doubt(otherWork: number): readonly string[] {
  if (otherWork <= BUSY) return [];
  const share = formatPercent(otherWork, 0);
  return [`Other work took ${share} of the processors while it was measured: measure again when the machine is quiet.`];
}
