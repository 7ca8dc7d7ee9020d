/**
 * Tokens that a text needs least go (src/text/smaller-vocabulary.ts), and with them their rows of the embedding: in a small model
 * a fifth of the parameters and more. No layer changes.
 */
import { inputError } from "../errors.ts";
import { modelCost } from "../measure/cost.ts";
import { refuseEncoder } from "../model/session.ts";
import { withTokens } from "../model/smaller-vocabulary.ts";
import type { Model } from "../refrain.ts";
import { formatCount, formatPercent } from "../report/format.ts";
import { type SmallerVocabulary, smallerVocabulary } from "../text/smaller-vocabulary.ts";
import { openTokenizer } from "../text/tokenizer.ts";
import type { Amount } from "./amount.ts";
import { defineMethod, type Shrunk } from "./method.ts";

/** Numbers of tokens: rows are kept in memory by so many. */
const ROWS = 32;

export const vocabularyMethod = defineMethod({
  name: "vocabulary",
  description: "the tokens that the text needs least: fewer embeddings, and the same layers",
  paper: "Load What You Need: Smaller Versions of Multilingual BERT (arXiv 2010.05609)",
  amounts: ["params"],
  calibration: { window: 128, windows: 8192 },
  options: {},
  run: async ({ model, amount, calibration }) => {
    const { config, steps } = model;
    if (config.bidirectional) throw refuseEncoder(model.name);
    const smaller = smallerVocabulary(model.needTokenizer());
    const parameters = (vocabSize: number) => modelCost({ ...config, vocabSize }, steps).uniqueParameters;
    const size = tokensOf(amount!, config.vocabSize, smaller.least, parameters);
    return keepTokens(model, calibration!.tokens, smaller, size);
  },
});

/** How many of `all` tokens can go for `least` to stay, in 64ths of them all, ascending; empty where hardly one can. */
export function spareTokens(all: number, least: number): number[] {
  const step = ROWS * Math.ceil(all / 64 / ROWS);
  const most = Math.floor((all - least) / step);
  return Array.from({ length: Math.max(0, most) }, (_, i) => (i + 1) * step);
}

/** At most `size` tokens of the model's vocabulary stay: those that `text`, in these tokens, has most often. */
export async function keepTokens(
  model: Model,
  text: readonly number[],
  { choose }: SmallerVocabulary,
  size: number,
): Promise<Shrunk> {
  const { config, steps } = model;
  const tokenizer = model.needTokenizer();
  const counts = new Map<number, number>();
  for (const token of text) counts.set(token, (counts.get(token) ?? 0) + 1);
  const choice = choose(counts, size);
  const { kept, vocabulary } = choice;
  const unseen = kept.filter((id) => !counts.has(id)).length;
  const covered = kept.reduce((sum, id) => sum + (counts.get(id) ?? 0), 0) / text.length;
  const again = (await openTokenizer(vocabulary)).encode(tokenizer.decode(text), { special: false });
  const longer = again.length / text.length;
  return {
    steps,
    edit: (checkpoint) => withTokens(checkpoint, config, choice),
    dropped: [],
    scores: [...kept],
    record: { vocabulary: { before: config.vocabSize, after: kept.length, unseen, covered, longer } },
    notes: [
      `${formatCount(kept.length)} of ${formatCount(config.vocabSize)} tokens stay. They are ${formatPercent(covered, 1)} of those of the text, which takes ${formatPercent(longer, 1)} of the tokens that it took: losses for a token are of other tokens now, bits for a byte can be compared.`,
    ],
  };
}

/** As many as `amount` has room for, in whole rows of memory. Throws `params-share`. */
function tokensOf(amount: Amount, all: number, least: number, parameters: (tokens: number) => number): number {
  const share = amount.kind === "params" ? amount.share : 0;
  if (share >= 1)
    throw inputError("params-share", "all of the parameters may stay, so no token has to go", "Give a share below 1.");
  const room = share * parameters(all) - parameters(0);
  const size = Math.floor(room / (parameters(1) - parameters(0)));
  if (size >= least) return Math.max(least, size - (size % ROWS));
  throw inputError(
    "params-share",
    `${share} of the parameters leaves no room for the ${least} tokens without which a text cannot be written: with them and all layers it is ${(parameters(least) / parameters(all)).toFixed(4)}`,
    "Give a larger share, or drop layers, too.",
  );
}
