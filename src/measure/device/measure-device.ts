/** Measures a device: caches and memory, kernels, barriers, with one thread and with several. Some ten seconds. */
import type { Host } from "../../engine/wasm/host.ts";
import { ParameterStore } from "../../engine/wasm/parameter-store.ts";
import { WasmPlayer } from "../../engine/wasm/player.ts";
import type { OnProgress } from "../../progress.ts";
import { measureBandwidth, workingSets } from "./bandwidth.ts";
import { measureExposure } from "./exposure.ts";
import { measureRates, probes } from "./kernel-rates.ts";
import { matrixTypes } from "./probe-model.ts";
import type { Measurement } from "./profile.ts";
import { Stopwatch } from "./stopwatch.ts";
import { measureSynchronization } from "./synchronization.ts";

export interface MeasureOptions {
  /** Numbers of threads to measure with, ascending. */
  readonly threads: readonly number[];
  /** Bytes of the largest working set; it should be well beyond the last cache. */
  readonly largest: number;
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Each number of threads gets a player of its own, so that its figures are those of that player and no other. */
export async function measureDevice(
  host: Host,
  { threads, largest, onProgress, signal }: MeasureOptions,
): Promise<Measurement[]> {
  const sizes = workingSets(largest);
  const kernels = threads.map((count) => probes(count));
  const total = kernels.reduce((sum, found) => sum + 1 + sizes.length + found.size + matrixTypes.length, 0);
  let done = 0;
  const step = () => onProgress?.({ label: "measuring this device", done: ++done, total, unit: "measurements" });

  const measurements: Measurement[] = [];
  for (const [i, count] of threads.entries()) {
    const player = await WasmPlayer.create(host, { threads: count });
    player.steady = true;
    try {
      const store = new ParameterStore(player);
      const watch = new Stopwatch(player, store);
      const synchronization = await measureSynchronization(player, store, watch, signal);
      step();
      const bandwidth = await measureBandwidth(player, store, watch, sizes, step, signal);
      const rates = await measureRates(player, watch, kernels[i]!, synchronization, step, signal);
      const measured = { threads: player.threads, bandwidth, synchronization, rates };
      const exposed = await measureExposure(player, watch, measured, largest / 2, step, signal);
      watch.dispose();
      measurements.push({ ...measured, rates: exposed });
    } finally {
      await player.close();
    }
  }
  return measurements;
}
