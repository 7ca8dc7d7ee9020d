/** Programs that no graph makes: reads of so many bytes, and instructions that do nothing. The engine plays them like any other. */
import type { Buffer } from "../../engine/instruction.ts";
import type { Plan, PlannedInstruction } from "../../engine/plan.ts";
import { LoadedProgram } from "../../engine/wasm/loaded-program.ts";
import type { ParameterStore } from "../../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../../engine/wasm/player.ts";

/** Plays `instructions` on one row; the caller disposes of the program. */
export function handMade(
  player: WasmPlayer,
  store: ParameterStore,
  instructions: readonly PlannedInstruction[],
): LoadedProgram {
  const plan: Plan = {
    limits: { maxRows: 1, tailRows: 1, context: 1, threads: player.threads },
    instructions,
    offsets: new Map<Buffer, number>(),
    outputs: new Map<string, Buffer>(),
    parameters: [],
    weightBytes: 0,
    activationBytes: 0,
    unsharedActivationBytes: 0,
    caches: [],
    cacheBytes: 0,
    scoreBytes: 0,
    barriers: instructions.filter(({ barrier }) => barrier).length + 1,
  };
  return new LoadedProgram(player, store, plan);
}

/** All threads together read `bytes` from `address`, `passes` times; `sink` has 16 bytes for each thread. */
export function readInstruction(
  address: number,
  bytes: number,
  passes: number,
  sink: number,
  barrier = false,
): PlannedInstruction {
  return { kernel: "read", tail: false, words: [address, bytes, passes, sink], reads: [], writes: [], barrier };
}
