/**
 * The library's front door: `load` a model, generate with it, give it another schedule, save it.
 * The command line is a thin face over this file.
 */
import type { OnProgress } from "./progress.ts";

/** How weights are kept in memory. `q8` and `q4` are blocks of 32 with one scale each (GGUF's Q8_0 and Q4_0). */
export type WeightType = "f32" | "f16" | "q8" | "q4";

export interface LoadOptions {
  /** How weights are kept in memory; without it, as near to the file's own types as the engine has. */
  weights?: WeightType;
  /** Another schedule than the checkpoint's own, e.g. "each(0-14)x2". */
  schedule?: string;
  /** Threads of the player; without it, as many as pay on this machine. */
  threads?: number;
  /** Longest sequence, in tokens; without it the model's own limit, at most 2048. */
  contextLength?: number;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}
