/** Says before anything is loaded whether a model fits, and if not, by how much. */
import type { Plan } from "../engine/plan.ts";
import { inputError } from "../errors.ts";

/** What wasm32 can address. */
const ADDRESS_SPACE = 2 ** 32;

export interface Footprint {
  readonly weights: number;
  readonly caches: number;
  /** Activations, scratch and the program. */
  readonly working: number;
  readonly total: number;
}

export function footprint(plan: Plan): Footprint {
  const working = plan.activationBytes + plan.scratchBytes;
  const total = plan.weightBytes + plan.cacheBytes + working;
  return { weights: plan.weightBytes, caches: plan.cacheBytes, working, total };
}

/** Throws `too-large` where the session cannot be held; `availableMemory` is what the system can still give, in bytes. */
export function refuseIfTooLarge(plan: Plan, name: string, availableMemory: number): void {
  const { weights, caches, total } = footprint(plan);
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
  const parts = `${gb(weights)} of weights and ${gb(caches)} of cache for ${plan.limits.context} tokens`;
  const help = "Use smaller weights (--weights q4), a shorter --context, --cache q8, or a schedule with fewer blocks.";
  if (total > ADDRESS_SPACE) {
    throw inputError(
      "too-large",
      `${name}: ${parts} are more than the ${gb(ADDRESS_SPACE)} that WebAssembly can address`,
      help,
    );
  }
  if (total > availableMemory) {
    throw inputError(
      "too-large",
      `${name}: ${parts} are more than the ${gb(availableMemory)} of memory that are free`,
      help,
    );
  }
}
