/** Bytes a second that all threads of a player read together, by how many bytes they read again and again. */
import type { ParameterStore } from "../../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../../engine/wasm/player.ts";
import { handMade, readInstruction } from "./hand-made.ts";
import type { Stopwatch } from "./stopwatch.ts";

export interface BandwidthPoint {
  /** Working set of all threads together; each reads its own part. */
  readonly bytes: number;
  readonly bytesPerSecond: number;
}

export const SMALLEST = 1 << 14;
/** Bytes that a play reads at least: some 50 µs even in the first cache. */
const LEAST = 1 << 22;

/** 16 kB, 24 kB, 32 kB, 48 kB … up to `largest`: two sizes for each doubling. */
export function workingSets(largest: number): number[] {
  const sizes: number[] = [];
  for (let bytes = SMALLEST; bytes <= largest; bytes *= 2) {
    sizes.push(bytes);
    if (1.5 * bytes <= largest) sizes.push(1.5 * bytes);
  }
  return sizes;
}

/** `onPoint` is called after each of `sizes`, which ascend. */
export async function measureBandwidth(
  player: WasmPlayer,
  store: ParameterStore,
  watch: Stopwatch,
  sizes: readonly number[],
  onPoint: () => void,
  signal?: AbortSignal,
): Promise<BandwidthPoint[]> {
  const largest = sizes.at(-1)!;
  const region = player.allocate(largest, "the memory that is read");
  const sink = player.allocate(16 * player.threads, "what was read");
  // Pages that were never written are all the same page of zeros, which stays in the cache.
  player.bytes(region, largest).fill(0x2c);
  const points: BandwidthPoint[] = [];
  try {
    for (const bytes of sizes) {
      const passes = Math.ceil(LEAST / bytes);
      const program = handMade(player, store, [readInstruction(region, bytes, passes, sink)]);
      const seconds = await watch.secondsOf(() => program.play([0], 0, 0), signal);
      program.dispose();
      points.push({ bytes, bytesPerSecond: (bytes * passes) / seconds });
      onPoint();
    }
  } finally {
    player.free(sink);
    player.free(region);
  }
  return points;
}
