/** A schedule in plain words: what it keeps of a model, what it drops, how often and in what order it plays. */
import { hasAttention, hasFfn, type Steps } from "./schedule.ts";
import { playedHalves, usesPerBlock } from "./stats.ts";

/**
 * One to three sentences, e.g. "Plays 24 of 30 blocks, each once: 24 steps. Drops blocks 21-26 (6 of 30)."
 * `blocks` is the number of blocks that the model has.
 */
export function describe(steps: Steps, blocks: number): string {
  const uses = usesPerBlock(steps);
  const dropped = Array.from({ length: blocks }, (_, block) => block).filter((block) => !uses.has(block));
  const kept = `Plays ${uses.size} of ${count(blocks, "block")}`;
  const sentences = [`${kept}${manner(steps)}: ${count(steps.length, "step")}.`];
  const halves = onlyHalves(steps);
  if (halves) sentences.push(halves);
  if (dropped.length > 0) sentences.push(`Drops ${naming(dropped)} (${dropped.length} of ${blocks}).`);
  return sentences.join(" ");
}

/** How the kept blocks are played: ", each twice in a row". */
function manner(steps: Steps): string {
  const uses = repeats(steps);
  const least = Math.min(...uses);
  const most = Math.max(...uses);
  const same = (i: number, j: number) => steps[i]?.block === steps[j]?.block && steps[i]?.part === steps[j]?.part;
  const every = (partner: (i: number) => number) => steps.every((_, i) => same(i, partner(i)));

  if (least < most) return `, each ${least} to ${most} times`;
  if (most === 1) return `, ${uses.length > 1 ? "each " : ""}once${ascending(steps) ? "" : ", in another order"}`;
  if (uses.length === 1) return `, ${times(most)} in a row`;
  if (every((i) => i - (i % most))) return `, each ${times(most)} in a row`;
  if (every((i) => i % (steps.length / most))) return ` in turn, ${times(most)} over`;
  if (most === 2 && every((i) => steps.length - 1 - i)) return ", forwards and then backwards";
  return `, each ${times(most)}`;
}

/** How often each block is played; `a0 f0` plays block 0 once. */
function repeats(steps: Steps): readonly number[] {
  const attention = usesPerBlock(steps.filter(hasAttention));
  const ffn = usesPerBlock(steps.filter(hasFfn));
  return [...usesPerBlock(steps).keys()].map((block) => Math.max(attention.get(block) ?? 0, ffn.get(block) ?? 0));
}

/** Says which blocks play only one of their halves; undefined where none does. */
function onlyHalves(steps: Steps): string | undefined {
  const { attention, ffn } = playedHalves(steps);
  const only = (a: ReadonlySet<number>, b: ReadonlySet<number>) =>
    [...a].filter((block) => !b.has(block)).sort((x, y) => x - y);
  const parts: string[] = [];
  const noFfn = only(attention, ffn);
  const noAttention = only(ffn, attention);
  if (noFfn.length > 0) parts.push(`only the attention of ${naming(noFfn)}`);
  if (noAttention.length > 0) parts.push(`only the feed-forward of ${naming(noAttention)}`);
  return parts.length > 0 ? `Uses ${parts.join(" and ")}.` : undefined;
}

function ascending(steps: Steps): boolean {
  return steps.every((step, i) => i === 0 || step.block >= steps[i - 1]!.block);
}

/** "block 7", "blocks 0-5, 7 and 9"; `numbers` ascend. */
function naming(numbers: readonly number[]): string {
  const ranges: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let end = i;
    while (numbers[end + 1] === numbers[end]! + 1) end++;
    ranges.push(end > i ? `${numbers[i]}-${numbers[end]}` : `${numbers[i]}`);
    i = end + 1;
  }
  const last = ranges.pop()!;
  return `${numbers.length === 1 ? "block" : "blocks"} ${ranges.length > 0 ? `${ranges.join(", ")} and ${last}` : last}`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

function times(n: number): string {
  return n === 2 ? "twice" : `${n} times`;
}
