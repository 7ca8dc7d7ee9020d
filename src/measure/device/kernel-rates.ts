/** How fast each kernel is where it need not wait for memory: on one row (decode) and on many (reading a prompt). */
import type { PlannedInstruction } from "../../engine/plan.ts";
import { LoadedProgram } from "../../engine/wasm/loaded-program.ts";
import { ParameterStore } from "../../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../../engine/wasm/player.ts";
import { parametersPlayed } from "../../model/network.ts";
import { identitySteps } from "../../schedule/schedule.ts";
import { type Work, type WorkKind, workOf } from "../work.ts";
import { NO_BARRIER } from "./hand-made.ts";
import { families, matrixTypes, type ProbeModel, probeModel } from "./probe-model.ts";
import type { Stopwatch } from "./stopwatch.ts";
import type { Synchronization } from "./synchronization.ts";

/** Operations a second as `Work` counts them, all threads together. */
export interface Rate {
  readonly kind: WorkKind;
  readonly oneRow: number;
  readonly manyRows: number;
  /** For kernels that read weights: see exposure.ts. */
  readonly exposed?: number;
}

/** By the name of the kernel. `attention start` is what attention costs at position 0, by elements of its result. */
export type Rates = Readonly<Record<string, Rate>>;

/** An instruction of a probe model, the first of its kernel. */
interface Probe {
  readonly kind: WorkKind;
  readonly model: ProbeModel;
  readonly index: number;
}

const MANY = 128;
/** Positions between which attention is compared. */
const NEAR = 16;
const FAR = 272;
/** How weights and caches are kept: every type of both, and every form in which attention hands its result on. */
const kept = [
  ...matrixTypes.map((type) => ({ type, cache: "f32" as const })),
  ...matrixTypes.map((type) => ({ type, cache: "q8" as const })),
];
/** How often a program has the instruction that it measures. */
const COPIES = { oneRow: 64, manyRows: 4 } as const;

/** Every kernel of the probe models' blocks once, by name: the instruction that does most, for its edges weigh least. */
export function probes(threads: number): ReadonlyMap<string, Probe> {
  const found = new Map<string, Probe & { readonly operations: number }>();
  for (const family of families) {
    for (const { type, cache } of kept) {
      const model = probeModel(family, type, threads, { cache });
      workOf(model, model.storage, { rows: 1, position: 0 }).forEach(({ kernel, kind, operations }, index) => {
        // The tail has room for one row.
        if (model.plan.instructions[index]!.tail) return;
        const best = found.get(kernel);
        if (!best || (best.model === model && best.operations < operations)) {
          found.set(kernel, { kind, model, index, operations });
        }
      });
    }
  }
  return found;
}

/** `onRate` is called after each of `kernels`. */
export async function measureRates(
  player: WasmPlayer,
  watch: Stopwatch,
  kernels: ReadonlyMap<string, Probe>,
  cost: Synchronization,
  onRate: () => void,
  signal?: AbortSignal,
): Promise<Rates> {
  const rates: Record<string, Rate> = {};
  for (const [name, probe] of kernels) {
    const { store, dispose } = loadProbe(player, probe.model);
    try {
      const time = (rows: number, position: number) =>
        timeInstruction(player, store, watch, probe, rows, position, cost, signal);
      const { kind } = probe;
      if (kind === "attention") {
        const [one, many] = [await attentionRates(1, time), await attentionRates(MANY, time)];
        rates[name] = { kind, oneRow: one.rate, manyRows: many.rate };
        rates[`${name} start`] = { kind, oneRow: one.start, manyRows: many.start };
      } else rates[name] = { kind, oneRow: await rate(1, time), manyRows: await rate(MANY, time) };
    } finally {
      dispose();
    }
    onRate();
  }
  return rates;
}

type Time = (rows: number, position: number) => Promise<{ readonly seconds: number; readonly work: Work }>;

async function rate(rows: number, time: Time): Promise<number> {
  const { seconds, work } = await time(rows, 0);
  return work.operations / seconds;
}

/** Two positions tell apart what grows with the cache and what does not. */
async function attentionRates(rows: number, time: Time): Promise<{ rate: number; start: number }> {
  const near = await time(rows, NEAR);
  const far = await time(rows, FAR);
  const grown = Math.max(far.seconds - near.seconds, far.seconds / 100);
  const perSecond = (far.work.operations - near.work.operations) / grown;
  const rest = near.seconds - near.work.operations / perSecond;
  return { rate: perSecond, start: near.work.start / Math.max(rest, near.seconds / 100) };
}

/** Weights that are ordinary numbers in every format: none is so small that a processor slows down. */
export function loadProbe(
  player: WasmPlayer,
  { config, storage }: ProbeModel,
): { store: ParameterStore; dispose(): void } {
  const store = new ParameterStore(player);
  for (const parameter of parametersPlayed(config, identitySteps(config.blocks))) {
    store.reserve(parameter, storage(parameter));
    for (const piece of store.pieces(parameter)) piece.fill(0x2c);
  }
  return { store, dispose: () => store.dispose() };
}

/** Plays one instruction of a plan again and again; what playing costs by itself is taken off. */
async function timeInstruction(
  player: WasmPlayer,
  store: ParameterStore,
  watch: Stopwatch,
  { model, index }: Probe,
  rows: number,
  position: number,
  cost: Synchronization,
  signal: AbortSignal | undefined,
): Promise<{ seconds: number; work: Work }> {
  const copies = rows === 1 ? COPIES.oneRow : COPIES.manyRows;
  const instruction: PlannedInstruction = { ...model.plan.instructions[index]!, barrier: NO_BARRIER };
  const plan = { ...model.plan, instructions: Array.from({ length: copies }, () => instruction) };
  const program = new LoadedProgram(player, store, plan);
  try {
    const tokens = new Int32Array(rows);
    const seconds = await watch.secondsOf(() => program.play(tokens, position, rows - 1), signal);
    // Where a play of nothing was disturbed, its cost says nothing.
    const own = Math.max(seconds - cost.play, seconds / 2) / copies;
    const { graph } = model;
    const work = workOf({ graph, plan: { ...plan, instructions: [instruction] } }, model.storage, {
      rows,
      position,
    })[0]!;
    return { seconds: own, work };
  } finally {
    program.dispose();
  }
}
