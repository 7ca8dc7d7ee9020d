/**
 * Turns the layers of a trained model into fewer, shared blocks, as a starting point for training ("Relaxed Recursive
 * Transformers", arXiv 2410.20672, section 2.2). The target schedule plays as many layers as the model; wherever it plays
 * a block several times, that block is made of the layers that stood in those places:
 *
 *   stepwise   layers at even intervals, the first and the last among them: the K blocks of a looped stretch of N layers
 *              begin as its layers round(j (N − 1) / (K − 1))
 *   average    the mean of the layers that the block stands for
 *   lower      the first K layers of the stretch
 *
 * A stretch is a run of layers that play shared blocks; a block that is played once keeps the layer of its place.
 * Attention and feed-forward halves are tied separately where the target says so.
 */
import { inputError } from "../errors.ts";
import { type BlockMix, type HalfMix, type Mix, meanOf, oneBlock } from "../model/mix-blocks.ts";
import { halves } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import type { Step, Steps } from "../schedule/schedule.ts";

export const tyings = ["stepwise", "average", "lower"] as const;
export type Tying = (typeof tyings)[number];

/** `target` in the blocks of the tied model, and those of them that are new, numbered from `blocks` on. Throws `tie-schedule`. */
export function tie(
  source: Steps,
  target: Steps,
  how: Tying,
  blocks: number,
): { steps: Steps; mixes: readonly BlockMix[] } {
  checkTarget(source, target);
  const attention = tieHalf(source, target, "attention", how);
  const ffn = tieHalf(source, target, "ffn", how);
  const mixes: BlockMix[] = [];
  const names = new Map<number, number>();
  for (const { block } of target) {
    if (names.has(block)) continue;
    const mix = { attention: attention.get(block), ffn: ffn.get(block) };
    const asItIs = sourceBlock(mix);
    const { attention: a, ffn: f } = mix;
    names.set(
      block,
      asItIs ?? blocks + mixes.push({ ...(a && { attention: half(a) }), ...(f && { ffn: half(f) }) }) - 1,
    );
  }
  return { steps: target.map(({ block, part }) => ({ block: names.get(block)!, part })), mixes };
}

const half = (mix: Mix): HalfMix => ({ weights: mix, norms: mix });

/** The one block of the source that both halves are, if there is one. */
function sourceBlock({ attention, ffn }: { attention: Mix | undefined; ffn: Mix | undefined }): number | undefined {
  const terms = [...(attention ?? []), ...(ffn ?? [])];
  const [first] = terms;
  return terms.every(({ block, weight }) => block === first!.block && weight === 1) ? first!.block : undefined;
}

/** What each block of the target has as this half. */
function tieHalf(source: Steps, target: Steps, part: "attention" | "ffn", how: Tying): Map<number, Mix> {
  const of = (steps: Steps) => halves(steps).flatMap((step: Step) => (step.part === part ? [step.block] : []));
  const [from, to] = [of(source), of(target)];
  const uses = new Map<number, number[]>();
  for (const [place, block] of to.entries()) uses.set(block, [...(uses.get(block) ?? []), place]);
  const mixes = new Map<number, Mix>();
  for (const [block, [place]] of uses) if (uses.get(block)!.length === 1) mixes.set(block, oneBlock(from[place!]!));
  const shared = (place: number) => uses.get(to[place]!)!.length > 1;
  for (let begin = 0, end = 0; begin < to.length; begin = Math.max(end, begin + 1)) {
    for (end = begin; end < to.length && shared(end); end++);
    const inStretch = [...new Set(to.slice(begin, end))].filter((block) => !mixes.has(block));
    for (const [j, block] of inStretch.entries()) {
      const among = Math.max(1, inStretch.length - 1);
      const step = how === "lower" ? j : Math.round((j * (end - begin - 1)) / among);
      const places = how === "average" ? uses.get(block)! : [begin + step];
      mixes.set(block, meanOf(places.map((place) => from[place]!)));
    }
  }
  return mixes;
}

function checkTarget(source: Steps, target: Steps): void {
  const parts = (steps: Steps) => halves(steps).map(({ part }) => part);
  const [from, to] = [parts(source), parts(target)];
  if (from.join() === to.join()) return;
  const layers = (count: number) => `${count / 2} layers`;
  throw inputError(
    "tie-schedule",
    `tie: "${printSteps(target)}" plays ${layers(to.length)}, the model plays ${layers(from.length)} ("${printSteps(source)}")`,
    "The target plays as many layers as the model, attention and feed-forward in the same order, only with fewer blocks.",
  );
}
