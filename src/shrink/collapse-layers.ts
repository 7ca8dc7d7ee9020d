/**
 * Merges neighbouring layers as long as the last hidden state stays similar (LaCo, "Large Language Model Pruning via Layer
 * Collapse", arXiv 2402.11187). From the top down, m layers behind layer l are merged into it (the reserving-differences
 * merge), and the merge stays if on some sentences the cosine of the last hidden state with the original's is above a threshold:
 *
 *     θ*_l = θ_l + Σ_{k=1..m} (θ_{l+k} − θ_l)
 *
 * That is the paper's formula, `formula` here. The authors' code subtracts from the copy that it has just changed,
 * so that every difference replaces what stood there before: θ*_l = θ_{l+m}. That is `keep-last`, and the paper's results
 * are its results. Norms are not merged in either: layer l keeps its own.
 */
import { inputError } from "../errors.ts";
import { type BlockMix, type Mix, oneBlock } from "../model/mix-blocks.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";

export const merges = ["keep-last", "formula"] as const;

export interface CollapseOptions {
  readonly merge: (typeof merges)[number];
  /** Layers that one merge makes into one: the paper's C, m + 1. */
  readonly group: number;
  /** How far below the last merge the next is tried: I. */
  readonly interval: number;
  /** Layers [lowest, highest) are tried at first: L and H. Behind a merge the paper lets the range reach the last layer. */
  readonly lowest: number;
  readonly highest: number;
  /** Least cosine of the last hidden states: T. */
  readonly threshold: number;
  /** Ends once so many layers are gone. */
  readonly drop?: number | undefined;
}

/** A layer of the merged model: the source's layers that it stands for, and what it is made of. */
export interface Layer {
  /** Positions in the source's schedule, ascending; it has the norms of the first. */
  readonly members: readonly number[];
  readonly weights: Mix;
  readonly norms: Mix;
}

export interface Trial {
  /** Of the model as it then was. */
  readonly layer: number;
  readonly merged: number;
  readonly similarity: number;
  readonly accepted: boolean;
}

export interface Collapsed {
  readonly layers: readonly Layer[];
  readonly trials: readonly Trial[];
}

/** The settings of the paper's smaller model, scaled to this depth; the last layer is left out of the first try. */
export function collapseDefaults(layers: number): Omit<CollapseOptions, "threshold"> {
  return { merge: "keep-last", group: 3, interval: 1, lowest: 0, highest: layers - 1 };
}

/** Every step of a schedule of whole blocks is a layer. Throws `collapse-halves`. */
export function layersOf(steps: Steps): Layer[] {
  return steps.map(({ block, part }, i) => {
    if (part !== "block") {
      throw inputError(
        "collapse-halves",
        `collapse merges whole blocks, and "${printSteps(steps)}" plays halves`,
        "Collapse the model before its halves are shared or dropped.",
      );
    }
    return { members: [i], weights: oneBlock(block), norms: oneBlock(block) };
  });
}

/** `layers` with the `count` layers behind `at` merged into it. */
export function mergeLayers(
  layers: readonly Layer[],
  at: number,
  count: number,
  how: CollapseOptions["merge"],
): Layer[] {
  const base = layers[at]!;
  const behind = layers.slice(at + 1, at + 1 + count);
  // θ_l + Σ (θ_{l+k} − θ_l) = Σ θ_{l+k} − (m − 1) θ_l
  const weights =
    how === "keep-last"
      ? behind.at(-1)!.weights
      : sum([...behind.map((layer) => ({ mix: layer.weights, by: 1 })), { mix: base.weights, by: 1 - count }]);
  const members = [base, ...behind].flatMap((layer) => layer.members);
  return [...layers.slice(0, at), { members, weights, norms: base.norms }, ...layers.slice(at + 1 + count)];
}

function sum(parts: readonly { readonly mix: Mix; readonly by: number }[]): Mix {
  const weights = new Map<number, number>();
  for (const { mix, by } of parts) {
    for (const { block, weight } of mix) weights.set(block, (weights.get(block) ?? 0) + by * weight);
  }
  const mix = [...weights].map(([block, weight]) => ({ block, weight })).filter(({ weight }) => weight !== 0);
  return mix.sort((a, b) => a.block - b.block);
}

/** Algorithm 1 of the paper, layers counted from 0. `similarity` plays the layers that it is given. Throws `collapse-range`. */
export async function collapse(
  layers: readonly Layer[],
  options: CollapseOptions,
  similarity: (layers: readonly Layer[]) => Promise<number>,
): Promise<Collapsed> {
  checkRange(layers.length, options);
  const { merge, group, interval, lowest, highest, threshold, drop = Number.POSITIVE_INFINITY } = options;
  const trials: Trial[] = [];
  let current = layers;
  let at = highest - group;
  while (at >= lowest) {
    const wanted = drop - (layers.length - current.length);
    const merged = Math.min(group - 1, current.length - 1 - at, wanted);
    if (merged < 1) break;
    const tried = mergeLayers(current, at, merged, merge);
    const similar = await similarity(tried);
    const accepted = similar > threshold;
    trials.push({ layer: at, merged, similarity: similar, accepted });
    if (accepted) {
      current = tried;
      at = Math.min(at - interval, current.length - group);
    } else at--;
  }
  return { layers: current, trials };
}

function checkRange(count: number, { group, interval, lowest, highest }: CollapseOptions): void {
  const whole = [group, interval, lowest, highest].every(Number.isInteger);
  if (whole && group >= 2 && interval >= 1 && lowest >= 0 && highest <= count && highest - lowest >= group) return;
  throw inputError(
    "collapse-range",
    `collapse: cannot merge ${group} layers at a time, ${interval} apart, within layers ${lowest} to ${highest - 1} of ${count}`,
    "A group has at least 2 layers and fits into the range; the interval is at least 1.",
  );
}

/** The schedule of the merged layers, and the blocks that it plays beyond the source's `blocks`. */
export function collapsedSteps(
  layers: readonly Layer[],
  source: Steps,
  blocks: number,
): { steps: Steps; mixes: readonly BlockMix[] } {
  const mixes: BlockMix[] = [];
  const steps = layers.map(({ members, weights, norms }) => {
    if (members.length === 1) return source[members[0]!]!;
    const half = { weights, norms };
    return { block: blocks + mixes.push({ attention: half, ffn: half }) - 1, part: "block" as const };
  });
  return { steps, mixes };
}
