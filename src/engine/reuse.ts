/**
 * The cache model. What is read again after so many other bytes comes from where a loop over that many bytes is served: a cache that evicts
 * the least recently used holds it if, and only if, its capacity is at least the bytes touched since the last use (Mattson et al. 1970,
 * "stack distance"). So a block that is played twice in a row is near at its second play, and nothing else must be known of the caches
 * than how fast a loop over N bytes is.
 */

export interface Use {
  readonly name: string;
  readonly bytes: number;
}

/**
 * For each use its reuse distance: the bytes of all different things touched since the last use of the same, its own included.
 * The list is taken as one turn of a loop, so a first use is reused from the turn before.
 */
export function reuseDistances(uses: readonly Use[]): number[] {
  /** Most recent last. */
  const stack: Use[] = [];
  const distances: number[] = [];
  for (let turn = 0; turn < 2; turn++) {
    for (const use of uses) {
      let distance = use.bytes;
      let at = stack.length - 1;
      for (; at >= 0 && stack[at]!.name !== use.name; at--) distance += stack[at]!.bytes;
      if (turn === 1) distances.push(distance);
      if (at >= 0) stack.splice(at, 1);
      stack.push(use);
    }
  }
  return distances;
}
