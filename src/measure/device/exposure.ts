/**
 * How well a kernel computes while it waits for memory. Were the two done at once without fault, a product would take as long as the longer of
 * them; were they done in turns, as long as both. What part of the shorter remains visible is measured here: the same kernel on so many
 * different matrices that none is in a cache when its turn comes.
 */
import { LoadedProgram } from "../../engine/wasm/loaded-program.ts";
import type { WasmPlayer } from "../../engine/wasm/player.ts";
import { workOf } from "../work.ts";
import { bandwidthAt } from "./curve.ts";
import { NO_BARRIER } from "./hand-made.ts";
import { loadProbe, type Rates } from "./kernel-rates.ts";
import { matrixTypes, probeModel } from "./probe-model.ts";
import type { Measurement } from "./profile.ts";
import type { Stopwatch } from "./stopwatch.ts";

/** Adds `exposed`, 0 to 1, to the rates of kernels that read weights. `bytes` is a working set beyond the last cache; `onType` is called for each type. */
export async function measureExposure(
  player: WasmPlayer,
  watch: Stopwatch,
  measured: Measurement,
  bytes: number,
  onType: () => void,
  signal?: AbortSignal,
): Promise<Rates> {
  const rates = { ...measured.rates };
  for (const type of matrixTypes) {
    const model = probeModel("llama", type, player.threads, { bytes });
    const { store, dispose } = loadProbe(player, model);
    try {
      const works = workOf(model, model.storage, { rows: 1, position: 0 });
      const kernels = new Set(works.filter(({ kind }) => kind === "linear").map(({ kernel }) => kernel));
      for (const kernel of kernels) {
        const chosen = model.plan.instructions.filter((_, i) => works[i]!.kernel === kernel);
        const own = works.filter((work) => work.kernel === kernel);
        const program = new LoadedProgram(player, store, {
          ...model.plan,
          instructions: chosen.map((one) => ({ ...one, barrier: NO_BARRIER })),
        });
        try {
          const seconds = await watch.secondsOf(() => program.play([0], 0, 0), signal);
          const bytes = own.flatMap(({ accesses }) => accesses.map((one) => (one.passing ? 0 : one.bytes)));
          const total = bytes.reduce((sum, n) => sum + n, 0);
          const waiting = total / bandwidthAt(measured.bandwidth, total);
          const computing = own.reduce((sum, { operations }) => sum + operations, 0) / rates[kernel]!.oneRow;
          const visible =
            (seconds - measured.synchronization.play - Math.max(waiting, computing)) / Math.min(waiting, computing);
          rates[kernel] = { ...rates[kernel]!, exposed: Math.min(1, Math.max(0, visible)) };
        } finally {
          program.dispose();
        }
      }
    } finally {
      dispose();
    }
    onType();
  }
  return rates;
}
