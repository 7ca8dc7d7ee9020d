/**
 * Ids in the order of falling values, the lower id first among equals, as far as the caller asks; for reading a beginning of the
 * order, where a sort would make all of it.
 */

/**
 * A binary heap, built in O(n), from which each id costs O(log n).
 * @param ids reordered in place.
 */
export function* descending(values: Float64Array, ids: Int32Array): Generator<number> {
  for (let i = (ids.length >> 1) - 1; i >= 0; i--) sink(values, ids, i, ids.length, 1);
  for (let size = ids.length; size > 0; size--) {
    const top = ids[0]!;
    ids[0] = ids[size - 1]!;
    sink(values, ids, 0, size - 1, 1);
    yield top;
  }
}

/**
 * The first `count` ids of all, in their order: one pass with a heap of the best so far, the last of them on top. Most values
 * are compared with that one only.
 * @param ids room for at least `count`; the result is its beginning.
 */
export function greatest(values: Float64Array, count: number, ids: Int32Array): Int32Array {
  const best = ids.subarray(0, Math.min(count, values.length));
  for (let i = 0; i < best.length; i++) best[i] = i;
  for (let i = (best.length >> 1) - 1; i >= 0; i--) sink(values, best, i, best.length, -1);
  let last = values[best[0]!]!;
  for (let id = best.length; id < values.length; id++) {
    // An equal one comes behind, because its id is higher.
    if (!(values[id]! > last)) continue;
    best[0] = id;
    sink(values, best, 0, best.length, -1);
    last = values[best[0]!]!;
  }
  // The last goes to the end, then the last of the rest.
  for (let size = best.length - 1; size > 0; size--) {
    const id = best[0]!;
    best[0] = best[size]!;
    best[size] = id;
    sink(values, best, 0, size, -1);
  }
  return best;
}

/** `sign` 1 keeps the first on top, -1 the last. */
function sink(values: Float64Array, ids: Int32Array, start: number, size: number, sign: number): void {
  let at = start;
  const id = ids[at]!;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && sign * order(values, ids[child + 1]!, ids[child]!) < 0) child++;
    if (sign * order(values, ids[child]!, id) >= 0) break;
    ids[at] = ids[child]!;
    at = child;
  }
  ids[at] = id;
}

/** Below 0 where `a` comes before `b`. */
function order(values: Float64Array, a: number, b: number): number {
  const first = values[a]!;
  const second = values[b]!;
  return first > second ? -1 : first < second ? 1 : a - b;
}
