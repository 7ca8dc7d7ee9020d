/** How fast each kernel is where it need not wait for memory: on one row (decode) and on many (reading a prompt). */
import { parametersOf } from "../../engine/graph.ts";
import { type Parameter, parameterBytes, type StorageType } from "../../engine/parameter.ts";
import { type Plan, plan } from "../../engine/plan.ts";
import { LoadedProgram } from "../../engine/wasm/loaded-program.ts";
import { ParameterStore } from "../../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../../engine/wasm/player.ts";
import {
  ATTENTION_CONTEXT,
  attentionProgram,
  attentionWork,
  elementKernels,
  elementProgram,
  type KernelProgram,
  linearProgram,
  matrixTypes,
} from "./kernel-programs.ts";
import type { Synchronization } from "./synchronization.ts";
import { secondsOf } from "./timing.ts";

/** Multiply–adds (linear maps, attention) or elements (all else) a second, all threads together. */
export interface Rate {
  readonly oneRow: number;
  readonly manyRows: number;
}

/** By type of matrix, or by kernel. */
export type Rates = Readonly<Record<string, Rate>>;

/** Rows of a chunk of a prompt. */
const MANY = 128;
/** Fewer rows for attention, so that they all see about as many positions. */
const ATTENTION_ROWS = 32;
const NEAR = 16;
const FAR = 144;

/** How many rates there are, for the progress. */
export const rateCount = 2 * (matrixTypes.length + elementKernels.length + 1);

/** `onRate` is called after each. */
export async function measureRates(
  player: WasmPlayer,
  cost: Synchronization,
  onRate: () => void,
  signal?: AbortSignal,
): Promise<Rates> {
  const rates: Record<string, Rate> = {};
  const both = async (measure: (many: boolean) => Promise<number>): Promise<Rate> => {
    const oneRow = await measure(false);
    onRate();
    const manyRows = await measure(true);
    onRate();
    return { oneRow, manyRows };
  };
  const simple = (make: (many: boolean) => KernelProgram, type: StorageType) =>
    both(async (many) => {
      const rows = many ? MANY : 1;
      const program = make(many);
      const seconds = await timeProgram(player, program, type, rows, [0], cost, signal);
      return (program.workPerRow * rows) / seconds[0]!;
    });
  for (const type of matrixTypes) {
    rates[type] = await simple((many) => linearProgram(type, player.threads, many), type);
  }
  for (const name of elementKernels) rates[name] = await simple((many) => elementProgram(name, many), "f32");

  // What grows with the position is one rate; what does not (appending, turning, the exponentials of few) is another.
  const fixed: number[] = [];
  rates.attention = await both(async (many) => {
    const rows = many ? ATTENTION_ROWS : 1;
    const program = attentionProgram();
    const [near, far] = await timeProgram(player, program, "f32", rows, [NEAR, FAR], cost, signal);
    const perPosition = Math.max(far! - near!, far! / 100) / (FAR - NEAR);
    const seen = NEAR + (rows + 1) / 2;
    fixed.push((program.workPerRow * rows) / Math.max(near! - seen * perPosition, near! / 100));
    return (attentionWork * rows) / perPosition;
  });
  rates.attentionStart = { oneRow: fixed[0]!, manyRows: fixed[1]! };
  return rates;
}

/** Seconds of the work of a program on so many rows, at each of `positions`; what playing and barriers cost is taken off. */
async function timeProgram(
  player: WasmPlayer,
  { graph }: KernelProgram,
  type: StorageType,
  rows: number,
  positions: readonly number[],
  cost: Synchronization,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const storage = (parameter: Parameter): StorageType =>
    parameter.kind === "vector" || parameter.name === "table" ? "f32" : type;
  const limits = { maxRows: rows, tailRows: rows, context: ATTENTION_CONTEXT, threads: player.threads };
  const planned: Plan = plan(graph, storage, limits);
  const store = new ParameterStore(player);
  let program: LoadedProgram | undefined;
  try {
    for (const parameter of new Set(graph.values.flatMap(({ operation }) => parametersOf(operation)))) {
      store.reserve(parameter, storage(parameter));
      // In every format these bytes are ordinary numbers: none is so small that a processor slows down.
      player.bytes(store.address(parameter), parameterBytes(parameter, storage(parameter))).fill(0x2c);
    }
    const loaded = new LoadedProgram(player, store, planned);
    program = loaded;
    const tokens = new Int32Array(rows);
    const overhead = cost.play + (planned.barriers - 1) * cost.barrier;
    const times: number[] = [];
    for (const position of positions) {
      const seconds = await secondsOf(() => loaded.play(tokens, position, 0), signal);
      times.push(Math.max(seconds - overhead, seconds / 20));
    }
    return times;
  } finally {
    program?.dispose();
    store.dispose();
  }
}
