/** What it costs that threads work together: to begin a play, to meet at a barrier, to be woken up. */
import type { ParameterStore } from "../../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../../engine/wasm/player.ts";
import { handMade, readInstruction } from "./hand-made.ts";
import type { Stopwatch } from "./stopwatch.ts";

export interface Synchronization {
  /** Seconds of a play of nothing right behind another: the call, the epoch, the last barrier. */
  readonly play: number;
  /** Seconds of an instruction that does nothing. */
  readonly instruction: number;
  /** Seconds that a barrier adds where all arrive at once. */
  readonly barrier: number;
  /** Seconds of a play of nothing after a rest, when the workers are asleep: the median, for it varies by itself. */
  readonly wake: number;
}

const INSTRUCTIONS = 500;
/** Milliseconds after which every thread sleeps, and how often. */
const REST = 20;
const WAKES = 9;

export async function measureSynchronization(
  player: WasmPlayer,
  store: ParameterStore,
  watch: Stopwatch,
  signal?: AbortSignal,
): Promise<Synchronization> {
  const time = async (instructions: number, barrier: boolean): Promise<number> => {
    const program = handMade(
      player,
      store,
      Array.from({ length: instructions }, () => readInstruction(0, 0, 0, 0, barrier)),
    );
    const seconds = await watch.secondsOf(() => program.play([0], 0, 0), signal);
    program.dispose();
    return seconds;
  };
  const play = await time(0, false);
  const idle = await time(INSTRUCTIONS, false);
  const meeting = await time(INSTRUCTIONS, true);

  const program = handMade(player, store, []);
  const wakes: number[] = [];
  for (let i = 0; i < WAKES; i++) {
    await new Promise((resolve) => setTimeout(resolve, REST));
    signal?.throwIfAborted();
    const begin = performance.now();
    program.play([0], 0, 0);
    wakes.push((performance.now() - begin) / 1000);
  }
  program.dispose();
  return {
    play,
    instruction: Math.max(0, idle - play) / INSTRUCTIONS,
    barrier: Math.max(0, meeting - idle) / INSTRUCTIONS,
    wake: wakes.sort((a, b) => a - b)[WAKES >> 1]!,
  };
}
