/**
 * Two ways at once, for a search: fewer tokens, and whatever makes layers fewer or smaller. The one changes only embeddings and the
 * other none, so what each makes of the model alone serves beside the other's as it is.
 */
import type { ModelConfig } from "../model/config.ts";
import type { Smaller, Way } from "./candidates.ts";
import type { Shrunk } from "./method.ts";
import { vocabularyMethod } from "./vocabulary.ts";

/** How many of the `all` tokens go: about a quarter, which the text that counted them hardly misses. */
export const quarter = (spare: readonly number[], all: number): number | undefined =>
  spare.find((count) => count >= all / 4);

/** The others of `ways` once more, with a quarter fewer tokens; none where `vocabulary` is not among them or cannot spare so many. */
export function withFewerTokens(ways: readonly Way[], config: ModelConfig): Way[] {
  const vocabulary = ways.find(({ name }) => name === vocabularyMethod.name);
  const tokens = vocabulary && quarter(vocabulary.counts, vocabulary.of);
  if (tokens === undefined) return [];
  const fewer = vocabulary!.by(tokens);
  const too = ({ name, of, counts, by }: Way): Way => ({
    name: `a quarter fewer tokens and ${name}`,
    of,
    counts,
    by: (count) => {
      const smaller = by(count);
      return {
        ...smaller,
        config: { ...(smaller.config ?? config), vocabSize: config.vocabSize - tokens },
        make: async () => together(await made(smaller), await fewer.make!()),
      };
    },
    dear: true,
  });
  return ways.filter((way) => way !== vocabulary).map(too);
}

/** What a way that changes no weights says of itself. */
async function made(smaller: Smaller): Promise<Shrunk> {
  return (await smaller.make?.()) ?? { steps: smaller.steps, dropped: smaller.dropped, scores: [], notes: [] };
}

function together(layers: Shrunk, tokens: Shrunk): Shrunk {
  return {
    ...layers,
    edit: (source) => tokens.edit!(layers.edit ? layers.edit(source) : source),
    record: { ...tokens.record, ...layers.record },
    notes: [...layers.notes, ...tokens.notes],
  };
}
