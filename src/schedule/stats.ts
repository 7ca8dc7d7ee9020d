/**
 * Figures of a played schedule. Depth is counted in layers, and a layer is one attention and one feed-forward: a half
 * counts one half, so that `a0 f0`, which computes what `0` does, is as deep.
 */
import { hasAttention, type Part, type Steps } from "./schedule.ts";

const LAYERS: Readonly<Record<Part, number>> = { block: 1, attention: 0.5, ffn: 0.5 };

/** Layers that are played. */
export function effectiveDepth(steps: Steps): number {
  return steps.reduce((depth, step) => depth + LAYERS[step.part], 0);
}

/** Layers whose weights must be stored, each counted once however often it is played. */
export function uniqueDepth(steps: Steps): number {
  const { attention, ffn } = playedHalves(steps);
  return (attention.size + ffn.size) / 2;
}

/** How many steps play a block, whole or half; blocks in ascending order, those that are not played are missing. */
export function usesPerBlock(steps: Steps): ReadonlyMap<number, number> {
  const uses = new Map<number, number>();
  for (const { block } of steps) uses.set(block, (uses.get(block) ?? 0) + 1);
  return new Map([...uses].sort(([a], [b]) => a - b));
}

/** Key/value slots that generation needs: one for every played step with attention, also where blocks are shared. */
export function kvSlots(steps: Steps): number {
  return steps.filter(hasAttention).length;
}

/** The blocks whose attention and whose feed-forward half is played. */
export function playedHalves(steps: Steps): Readonly<Record<"attention" | "ffn", ReadonlySet<number>>> {
  const attention = new Set<number>();
  const ffn = new Set<number>();
  for (const { block, part } of steps) {
    if (part !== "ffn") attention.add(block);
    if (part !== "attention") ffn.add(block);
  }
  return { attention, ffn };
}
