/**
 * Ids in descending order of their weight, the lower id first among equals, as far as the caller asks: a binary heap, built in
 * O(n), from which each id costs O(log n). For reading a beginning of the order, where a sort would make all of it.
 */

/** @param ids reordered in place. */
export function* descending(weights: Float64Array, ids: Int32Array): Generator<number> {
  for (let i = (ids.length >> 1) - 1; i >= 0; i--) sink(weights, ids, i, ids.length);
  for (let size = ids.length; size > 0; size--) {
    const top = ids[0]!;
    ids[0] = ids[size - 1]!;
    sink(weights, ids, 0, size - 1);
    yield top;
  }
}

function sink(weights: Float64Array, ids: Int32Array, start: number, size: number): void {
  let at = start;
  const id = ids[at]!;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && before(weights, ids[child + 1]!, ids[child]!)) child++;
    if (!before(weights, ids[child]!, id)) break;
    ids[at] = ids[child]!;
    at = child;
  }
  ids[at] = id;
}

function before(weights: Float64Array, a: number, b: number): boolean {
  const difference = weights[a]! - weights[b]!;
  return difference > 0 || (difference === 0 && a < b);
}
