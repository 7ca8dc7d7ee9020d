/** Programs that no graph makes: reads of so many bytes, and instructions that do nothing. The engine plays them like any other. */
import { Graph } from "../../engine/graph.ts";
import { type PlannedInstruction, plan } from "../../engine/plan.ts";
import { LoadedProgram } from "../../engine/wasm/loaded-program.ts";
import type { ParameterStore } from "../../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../../engine/wasm/player.ts";

/** Plays `instructions` on one row; the caller disposes of the program. */
export function handMade(
  player: WasmPlayer,
  store: ParameterStore,
  instructions: readonly PlannedInstruction[],
): LoadedProgram {
  const nothing = plan(new Graph(), () => "f32", { maxRows: 1, tailRows: 1, context: 1, threads: player.threads });
  return new LoadedProgram(player, store, { ...nothing, instructions });
}

/** All threads together read `bytes` from `address`, `passes` times; `sink` has 16 bytes for each thread. */
export function readInstruction(
  address: number,
  bytes: number,
  passes: number,
  sink: number,
  barrier = false,
): PlannedInstruction {
  return {
    kernel: "read",
    tail: false,
    words: [address, bytes, passes, sink],
    reads: [],
    writes: [],
    barrier: { one: barrier, many: barrier },
  };
}

/** Of instructions that are played again and again: each thread writes what it wrote before, and need not wait. */
export const NO_BARRIER: PlannedInstruction["barrier"] = { one: false, many: false };
