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
  const stack = new Map<string, number>();
  const distances: number[] = [];
  for (let turn = 0; turn < 2; turn++) {
    for (let i = 0; i < uses.length; i++) {
      const { name, bytes } = uses[i]!;
      if (turn === 1) distances.push(distance(stack, name, bytes));
      stack.delete(name);
      stack.set(name, bytes);
    }
  }
  return distances;
}

/** What stands above `name` in the stack, and `bytes`. */
function distance(stack: ReadonlyMap<string, number>, name: string, bytes: number): number {
  let sum = bytes;
  let above = false;
  for (const [other, size] of stack) {
    if (above) sum += size;
    else above = other === name;
  }
  return sum;
}
