/**
 * Looks for the best model within a budget: what to drop or share (candidates.ts), which tokens to leave out, what to make
 * narrower, merge or train (rewriting.ts), and how to keep weights. All are judged by the loss of the end of the text; the rest of it is what they choose and
 * learn by. The least loss within the budget wins, of equals the smallest.
 */
import { failure, inputError } from "../errors.ts";
import { observeModel } from "../measure/observe.ts";
import type { Similarity } from "../measure/similarity.ts";
import type { ModelConfig } from "../model/config.ts";
import { refuseEncoder } from "../model/session.ts";
import type { Model } from "../refrain.ts";
import { formatBytes, formatNumber } from "../report/format.ts";
import { halves } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import { type Steps, sameSteps } from "../schedule/schedule.ts";
import { smallerVocabulary } from "../text/smaller-vocabulary.ts";
import { type Budget, type Price, refuseUnlessWithin } from "./budget.ts";
import { angularMethod } from "./by-similarity.ts";
import { type Candidate, candidates, keyOf, waysToShorten, weightTypes } from "./candidates.ts";
import { quarter, withFewerTokens } from "./fewer-tokens-too.ts";
import { onFront, type Tried } from "./front.ts";
import { type Calibration, defineMethod, type Json, type MethodContext, type Shrunk } from "./method.ts";
import { choiceOption } from "./method-options.ts";
import { type Priceable, type Pricing, pricing } from "./pricing.ts";
import { type LeftOut, rewindowed, rewritings, waysToRewrite } from "./rewriting.ts";
import { channelCounts } from "./taylor.ts";
import { tryCandidates } from "./try-candidates.ts";
import { spareTokens } from "./vocabulary.ts";

/** Shares of the steps that every way is tried with, for the front; and the fewest steps that the budget asks for. */
const SHARES = [0.1, 0.2, 0.3];

export const autoMethod = defineMethod({
  name: "auto",
  description:
    "searches what to drop, share, trim, narrow, merge or train, and how to keep weights, for the least loss within a budget",
  paper:
    "what it tries: arXiv 2403.17887 (angular), arXiv 2403.03853 (influence), arXiv 2406.10594 (halves), arXiv 2010.05609 (vocabulary), arXiv 2410.20672 (tie), arXiv 2305.11627 (width), arXiv 2302.04089 (surgeon), arXiv 2402.11187 (collapse), arXiv 2402.09025 (perplexity), arXiv 2403.19135 (replace)",
  amounts: ["fit", "params", "speed"],
  calibration: { window: 128, windows: 512 },
  options: {
    edits: choiceOption({
      values: rewritings,
      default: "all",
      description: "whether it tries other weights, too: all; none but what needs no training; or none at all",
    }),
  },
  run: async (context, { edits }) => {
    const { model, calibration } = context;
    const budget = context.budget!;
    const { steps, config } = model;
    if (config.bidirectional) throw refuseEncoder(model.name);
    const { choose, judge } = split(calibration!);
    const price = await pricing(model, budget);
    // What no schedule, no width and no vocabulary can reach is said before anything is measured.
    const smallest = leastOf(model, edits === "none");
    refuseAll(
      budget,
      price,
      smallest.flatMap((smaller) =>
        weightTypes.map((weights) => ({
          what: `"${printSteps(smaller.steps)}"${smaller.detail} in ${weights}`,
          price: price.of(smaller, weights),
        })),
      ),
    );
    const measured = await measure(context, choose, steps);
    const rewrite = waysToRewrite(edits, context, choose, measured);
    const single = [...waysToShorten(steps, measured, await measureHalves(context, choose)), ...rewrite.ways];
    const ways = [...single, ...withFewerTokens(single, config)];
    const all = candidates(steps, ways, SHARES, (smaller, weights) => price.spent(price.of(smaller, weights)) <= 1);
    const priced = all.map((one) => ({ ...one, what: inShort(one), price: price.of(one, one.weights) }));
    refuseAll(budget, price, priced);
    const judged = await tryCandidates(context, all, judge.tokens, judge.window);
    const known = priced.flatMap((candidate) => {
      const { loss, schedule } = judged.get(keyOf(candidate)) ?? {};
      // A model that is broken has none.
      if (loss === undefined || !Number.isFinite(loss)) return [];
      return [{ ...candidate, loss, schedule: schedule!, bytes: candidate.price.bytes }];
    });
    if (known.length === 0) {
      throw failure("loss-not-finite", "no candidate has a loss that is a number", "The model's weights are damaged.");
    }
    refuseAll(budget, price, known);
    const isWithin = (candidate: Priced) => price.spent(candidate.price) <= 1;
    const best = known
      .filter(isWithin)
      .reduce((a, b) => (b.loss < a.loss || (b.loss === a.loss && b.bytes < a.bytes) ? b : a));
    const tried = known.map((candidate): Tried => {
      const { way, count, schedule, weights, loss } = candidate;
      const told = { way, count, schedule, weights, ...candidate.price, loss };
      return { ...told, withinBudget: isWithin(candidate), front: onFront(known, candidate) };
    });
    const chosen = known.indexOf(best);
    const made = await best.make?.();
    const predictedTokens = judge.windows * (judge.window - 1);
    const { leftOut } = rewrite;
    return {
      steps: made?.steps ?? best.steps,
      edit: made?.edit,
      dropped: made?.dropped ?? best.dropped,
      ...(best.halves && { halves: true }),
      scores: tried as unknown as Json,
      record: {
        chosen,
        keepWeights: best.weights,
        predictedTokens,
        ...(made && { edit: made.record! }),
        ...(leftOut.length > 0 && { leftOut: leftOut as unknown as Json }),
      },
      search: { model: model.name, text: calibration!.text.name, predictedTokens, budget, tried, chosen },
      notes: [...inWords(tried, tried[chosen]!), ...(made?.notes ?? []), ...leftOut.map(leftOutInWords)],
    } satisfies Shrunk;
  },
});

/** The least that each way alone, and two at once, can leave. */
function leastOf(model: Model, unedited: boolean): (Priceable & { readonly detail: string })[] {
  const { config, steps, tokenizer } = model;
  const single = (detail: string, config: ModelConfig) => steps.map((step) => ({ steps: [step], config, detail }));
  if (unedited) return single("", config);
  const spare = tokenizer ? spareTokens(config.vocabSize, smallerVocabulary(tokenizer).least) : [];
  const few = config.vocabSize - (spare.at(-1) ?? 0);
  const fewer = config.vocabSize - (quarter(spare, config.vocabSize) ?? 0);
  const ffnSize = channelCounts(config.ffnSize).at(-1)!;
  const narrow = ` with ${ffnSize} hidden channels`;
  return [
    ...single("", config),
    ...single(` with ${fewer} tokens`, { ...config, vocabSize: fewer }),
    { steps, config: { ...config, vocabSize: few }, detail: ` with ${few} tokens` },
    { steps, config: { ...config, ffnSize }, detail: narrow },
    { steps, config: { ...config, ffnSize, vocabSize: fewer }, detail: `${narrow} and ${fewer} tokens` },
  ];
}

interface Priced {
  readonly price: Price;
  /** For messages. */
  readonly what: string;
}

function refuseAll(budget: Budget, { whole, spent }: Pricing, all: readonly Priced[]): void {
  const cheapest = all.reduce((a, b) => (spent(b.price) < spent(a.price) ? b : a));
  refuseUnlessWithin(budget, cheapest.price, whole, cheapest.what);
}

/** A candidate's schedule says all, unless weights change. */
function inShort({ way, count, schedule, weights, make }: Candidate): string {
  return make ? `${way} (${count}) in ${weights}` : `"${schedule}" in ${weights}`;
}

function inWords(tried: readonly Tried[], { way, count, weights, bytes, loss }: Tried): string[] {
  const fitting = tried.filter(({ withinBudget }) => withinBudget).length;
  const before = tried.find((one) => one.way === "whole");
  const compared = before ? `; the whole model in ${before.weights} has ${formatNumber(before.loss, 4)}` : "";
  const inFewerBits = tried
    .filter((one) => one.way === way && one.count === count && one.bytes < bytes)
    .map((one) => `${formatBytes(one.bytes)}, loss ${formatNumber(one.loss, 4)}, in ${one.weights}`);
  return [
    `Of ${tried.length} that were tried, ${fitting} are within the budget. The best is ${way}${count > 0 ? ` (${count})` : ""} with weights in ${weights}: ${formatBytes(bytes)} in memory, loss ${formatNumber(loss, 4)}${compared}.`,
    `It is meant to be played with --weights ${weights}${weights === "f16" ? "" : "; `refrain export` writes a file with such weights"}.`,
    ...(inFewerBits.length > 0 ? [`In fewer bits it takes ${inFewerBits.join("; ")}.`] : []),
  ];
}

const leftOutInWords = ({ way, why }: LeftOut): string => `Not tried: ${way}, because ${why}.`;

/**
 * The last windows judge: a thirty-second of them, but four where there are that many, at most half. Throws `text-too-short`
 * where there is only one.
 */
function split(text: Calibration): { readonly choose: Calibration; readonly judge: Calibration } {
  const { tokens, window, windows } = text;
  if (windows < 2) {
    throw inputError(
      "text-too-short",
      `the text has one window of ${window} tokens: auto needs one to choose by and one to judge by`,
      "Give a longer --text, or a shorter --window.",
    );
  }
  const judging = Math.min(Math.ceil(windows / 2), Math.max(4, Math.floor(windows / 32)));
  const end = (windows - judging) * window;
  return {
    choose: { ...text, tokens: tokens.slice(0, end), windows: windows - judging },
    judge: { ...text, tokens: tokens.slice(end), windows: judging },
  };
}

async function measure(
  { model, signal, onProgress }: MethodContext,
  text: Calibration,
  steps: Steps,
): Promise<Similarity> {
  const played = model.withSchedule(printSteps(steps));
  try {
    // Many short windows: the angle has one value a window.
    const { tokens, window, windows } = rewindowed(text, angularMethod.calibration!);
    return await observeModel(played, tokens, { window, windows, signal, onProgress });
  } finally {
    await played.dispose();
  }
}

/** Undefined where the schedule consists of halves already. */
async function measureHalves(context: MethodContext, text: Calibration): Promise<Similarity | undefined> {
  const { steps } = context.model;
  const entries = halves(steps);
  return sameSteps(entries, steps) ? undefined : measure(context, text, entries);
}
