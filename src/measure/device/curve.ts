/** A bandwidth curve: what lies between its points, and the caches that its steps give away. */
import type { BandwidthPoint } from "./bandwidth.ts";

/** Bytes a second of a loop over `bytes`: linear in the logarithm of the size between points, level beyond them. */
export function bandwidthAt(curve: readonly BandwidthPoint[], bytes: number): number {
  const right = curve.findIndex((point) => point.bytes >= bytes);
  if (right < 0) return curve.at(-1)!.bytesPerSecond;
  const b = curve[right]!;
  const a = curve[right - 1];
  if (!a) return b.bytesPerSecond;
  const share = Math.log(bytes / a.bytes) / Math.log(b.bytes / a.bytes);
  return a.bytesPerSecond * (b.bytesPerSecond / a.bytesPerSecond) ** share;
}

export interface Level {
  /** The largest working set that is still served at this level's speed; undefined for memory. */
  readonly bytes: number | undefined;
  /** Median over the level. */
  readonly bytesPerSecond: number;
}

/** A level ends where the speed has fallen to this part of it. */
const FALL = 0.85;

/**
 * The levels that a reader can tell apart, nearest first; the last is memory. Two caches that are equally fast for 128-bit loads are one
 * level here, and a cache larger than the largest working set would be taken for memory.
 */
export function levels(curve: readonly BandwidthPoint[]): Level[] {
  const found: Level[] = [];
  let begin = 0;
  while (begin < curve.length) {
    let end = begin + 1;
    while (end < curve.length && curve[end]!.bytesPerSecond >= FALL * medianSpeed(curve.slice(begin, end))) end++;
    found.push({ bytes: curve[end - 1]!.bytes, bytesPerSecond: medianSpeed(curve.slice(begin, end)) });
    begin = end;
  }
  // A point or two on the slope between levels are no level.
  const flat = found.filter((_, i) => found.length === 1 || width(found, i, curve) > 2);
  return flat.map((level, i) => (i === flat.length - 1 ? { ...level, bytes: undefined } : level));
}

function width(found: readonly Level[], i: number, curve: readonly BandwidthPoint[]): number {
  const from = found[i - 1]?.bytes ?? 0;
  return curve.filter(({ bytes }) => bytes > from && bytes <= found[i]!.bytes!).length;
}

function medianSpeed(points: readonly BandwidthPoint[]): number {
  const sorted = points.map((point) => point.bytesPerSecond).sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
