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
  const runs: BandwidthPoint[][] = [];
  curve.forEach((point, i) => {
    const run = runs.at(-1);
    const low = (one: BandwidthPoint) => one.bytesPerSecond < FALL * medianSpeed(run!);
    const next = curve[i + 1];
    // One low point among others is a hiccup of the measurement.
    if (!run || (low(point) && next && low(next))) runs.push([point]);
    else run.push(point);
  });
  // A point or two on the slope between levels are no level.
  const wide = runs.filter((run) => run.length > 2);
  const flat = wide.length > 0 ? wide : runs.slice(-1);
  return flat.map((run, i) => ({
    bytes: i === flat.length - 1 ? undefined : run.at(-1)!.bytes,
    bytesPerSecond: medianSpeed(run),
  }));
}

function medianSpeed(points: readonly BandwidthPoint[]): number {
  const sorted = points.map((point) => point.bytesPerSecond).sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
