/** A search as a picture: every candidate by its size and its loss, and the front of those that nothing else beats. */
import type { Budget } from "../shrink/budget.ts";
import { weightTypes } from "../shrink/candidates.ts";
import type { Search, Tried } from "../shrink/front.ts";
import { formatBytes, formatCount } from "./format.ts";
import { lines, type Series } from "./lines.ts";
import { svgToPng } from "./node-png.ts";
import { shortName } from "./short-name.ts";

/** Losses that are so much above the least, in nats, are left out of the picture: they would press the others flat. */
const SHOWN = 4;

/** `front.svg`, the same as `front.png`, and its data as `front.json`. */
export async function frontFiles(search: Search): Promise<Record<string, string | Uint8Array>> {
  const svg = frontPicture(search);
  return {
    "front.svg": svg,
    "front.png": await svgToPng(svg),
    "front.json": `${JSON.stringify(search, null, 2)}\n`,
  };
}

export function frontPicture({ model, text, predictedTokens, budget, tried, chosen }: Search): string {
  const least = Math.min(...tried.map(({ loss }) => loss));
  const shown = tried.filter(({ loss }) => loss <= least + SHOWN);
  const points = (all: readonly Tried[]) =>
    all.map(({ bytes, loss }) => [bytes / 1e6, loss] as const).sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  const best = tried[chosen]!;
  const series: Series[] = [
    { name: "the front", points: points(shown.filter(({ front }) => front)) },
    {
      name: "the choice",
      points: points([best]),
      scattered: true,
    },
    ...weightTypes.map((weights) => {
      const own = shown.filter((one) => one.weights === weights && !one.front && one !== best);
      return { name: weights, points: points(own), scattered: true };
    }),
  ];
  const hidden = shown.length < tried.length ? ` (${tried.length - shown.length} are far above)` : "";
  return lines({
    title: `What a smaller ${shortName(model)} costs`,
    subtitle: `${budgetInWords(budget)}; ${tried.length} candidates${hidden}; ${formatCount(predictedTokens)} tokens of ${text}; not healed`,
    x: "weights in memory, MB",
    y: "loss, nats a token",
    series: series.filter(({ points }) => points.length > 0),
  });
}

function budgetInWords(budget: Budget): string {
  if (budget.kind === "fit") return `at most ${formatBytes(budget.bytes)}`;
  return budget.kind === "params"
    ? `at most ${budget.share} of the parameters`
    : `at least ${budget.ratio} times the speed`;
}
