/**
 * Looks for the best model within a budget: what to drop or share (candidates.ts), and how to keep weights. All are judged by the
 * loss of one text, on its second half; the first half is what the ways to shorten go by. A candidate is measured as the
 * written model will be: from weights that were F16 on disk. The least loss within the budget wins, of equals the smallest.
 */
import { nodeHost } from "../engine/wasm/node-host.ts";
import { failure, inputError, RefrainError } from "../errors.ts";
import { loadCheckpoint } from "../load-checkpoint.ts";
import { modelCost } from "../measure/cost.ts";
import { profilePath, readProfile, thisDevice } from "../measure/device/profile-file.ts";
import { observeModel } from "../measure/observe.ts";
import { perplexity } from "../measure/perplexity.ts";
import { predictSpeed } from "../measure/predict-model.ts";
import type { Similarity } from "../measure/similarity.ts";
import { refuseEncoder } from "../model/session.ts";
import { Model } from "../refrain.ts";
import { formatBytes, formatNumber } from "../report/format.ts";
import { halves } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import { type Steps, sameSteps } from "../schedule/schedule.ts";
import { unquantized } from "../weights/unquantized.ts";
import { type Budget, overspent, type Price, refuseUnlessWithin, within } from "./budget.ts";
import { type Candidate, candidates, type Weights, waysToShorten, weightTypes } from "./candidates.ts";
import { onFront, type Tried } from "./front.ts";
import { type Calibration, defineMethod, type Json, type MethodContext, type Shrunk } from "./method.ts";

/** Shares of the steps that every way is tried with, for the front; and the fewest steps that the budget asks for. */
const SHARES = [0.1, 0.2, 0.3];
/** Tokens that the ways to shorten are measured in: the angle has one value a window. */
const SHORT_WINDOW = 64;

export const autoMethod = defineMethod({
  name: "auto",
  description: "searches what to drop or share, and how to keep weights, for the least loss within a budget",
  paper: "what it tries: arXiv 2403.17887 (angular), arXiv 2403.03853 (influence), arXiv 2406.10594 (halves)",
  amounts: ["fit", "params", "speed"],
  calibration: { window: 128, windows: 32 },
  options: {},
  run: async (context) => {
    const { model, calibration, budget } = context;
    const { steps } = model;
    if (model.config.bidirectional) throw refuseEncoder(model.name);
    const { choose, judge } = split(calibration!);
    const price = await pricing(model, budget!);
    const cheapest = (all: readonly Priced[]) =>
      all.reduce((a, b) =>
        overspent(budget!, b.price, price.whole) < overspent(budget!, a.price, price.whole) ? b : a,
      );
    const refuse = (all: readonly Priced[]) => {
      const { price: least, schedule, weights } = cheapest(all);
      refuseUnlessWithin(budget!, least, price.whole, `"${schedule}" in ${weights}`);
    };
    // One step is the least that is left of any schedule: what that says is said before anything is measured.
    refuse(weightTypes.flatMap((weights) => steps.map((step) => price.of([step], weights))));
    const ways = waysToShorten(steps, await measure(context, choose, steps), await measureHalves(context, choose));
    const small = (left: Steps, weights: Weights) => within(budget!, price.of(left, weights).price, price.whole);
    const all = candidates(steps, ways, SHARES, small);
    const priced = all.map((candidate) => ({ ...candidate, ...price.of(candidate.steps, candidate.weights) }));
    refuse(priced);
    const losses = await measureLosses(context, all, judge);
    const known = priced.flatMap((candidate) => {
      const loss = losses.get(keyOf(candidate));
      // A model that is broken has none.
      return loss === undefined || !Number.isFinite(loss) ? [] : [{ ...candidate, loss, bytes: candidate.price.bytes }];
    });
    if (known.length === 0) {
      throw failure("loss-not-finite", "no candidate has a loss that is a number", "The model's weights are damaged.");
    }
    refuse(known);
    const isWithin = (candidate: Priced) => within(budget!, candidate.price, price.whole);
    const best = known
      .filter(isWithin)
      .reduce((a, b) => (b.loss < a.loss || (b.loss === a.loss && b.bytes < a.bytes) ? b : a));
    const tried = known.map((candidate): Tried => {
      const { way, count, schedule, weights, loss } = candidate;
      const told = { way, count, schedule, weights, ...candidate.price, loss };
      return { ...told, withinBudget: isWithin(candidate), front: onFront(known, candidate) };
    });
    const chosen = known.indexOf(best);
    const { window, text } = calibration!;
    const predictedTokens = (judge.length / window) * (window - 1);
    return {
      steps: best.steps,
      dropped: best.dropped,
      ...(best.halves && { halves: true }),
      scores: tried as unknown as Json,
      record: { chosen, keepWeights: best.weights, predictedTokens },
      search: { model: model.name, text: text.name, predictedTokens, budget: budget!, tried, chosen },
      notes: inWords(tried, tried[chosen]!),
    } satisfies Shrunk;
  },
});

function inWords(tried: readonly Tried[], { way, count, weights, bytes, loss }: Tried): string[] {
  const fitting = tried.filter(({ withinBudget }) => withinBudget).length;
  const before = tried.find((one) => one.way === "whole");
  const compared = before ? `; the whole model in ${before.weights} has ${formatNumber(before.loss, 4)}` : "";
  return [
    `Of ${tried.length} that were tried, ${fitting} are within the budget. The best is ${way}${count > 0 ? ` (${count})` : ""} with weights in ${weights}: ${formatBytes(bytes)} in memory, loss ${formatNumber(loss, 4)}${compared}.`,
    `It is meant to be played with --weights ${weights}${weights === "f16" ? "" : "; `refrain export` writes a file with such weights"}.`,
  ];
}

/** The first half of the windows and the second. Throws `text-too-short` where there is only one. */
function split({ tokens, window, windows }: Calibration): { choose: readonly number[]; judge: readonly number[] } {
  if (windows < 2) {
    throw inputError(
      "text-too-short",
      `the text has one window of ${window} tokens: auto needs one to choose by and one to judge by`,
      "Give a longer --text, or a shorter --window.",
    );
  }
  const end = Math.floor(windows / 2) * window;
  return { choose: tokens.slice(0, end), judge: tokens.slice(end) };
}

interface Priced {
  readonly schedule: string;
  readonly weights: Weights;
  readonly price: Price;
}

/** What schedules cost, without loading any; speeds as the profile of this device predicts them. */
async function pricing(model: Model, budget: Budget) {
  const { config, steps } = model;
  const predict = budget.kind === "speed" ? await predictor(model) : undefined;
  const of = (left: Steps, weights: Weights): Priced => {
    const { bytes, uniqueParameters } = modelCost(config, left);
    const seconds = predict?.(left, weights);
    const price = { bytes: bytes[weights], parameters: uniqueParameters, ...(seconds !== undefined && { seconds }) };
    return { schedule: printSteps(left), weights, price };
  };
  const now = predict?.(steps, "file");
  const whole: Price = { ...of(steps, "f16").price, ...(now !== undefined && { seconds: now }) };
  return { of, whole };
}

async function predictor(model: Model): Promise<(steps: Steps, weights: Weights | "file") => number> {
  const profile = await readProfile(profilePath(await thisDevice(nodeHost), undefined));
  if (!profile) {
    throw inputError(
      "device-profile",
      "--speed needs to know how fast this device is, and it has not been measured",
      "Run `refrain device` once, with nothing else going on.",
    );
  }
  const checkpoint = await model.open();
  const stored = new Map([...checkpoint.tensors].map(([name, { type }]) => [name, type]));
  await checkpoint.close();
  const { config } = model;
  const measured = profile.measurements.at(-1)!;
  const context = Math.min(config.contextLength, 512);
  return (steps, weights) =>
    predictSpeed(config, steps, weights === "file" ? stored : new Map(), weights, context, measured).decode.seconds;
}

async function measure(
  { model, signal, onProgress }: MethodContext,
  tokens: readonly number[],
  steps: Steps,
): Promise<Similarity> {
  const played = model.withSchedule(printSteps(steps));
  try {
    const window = Math.min(SHORT_WINDOW, tokens.length, model.config.contextLength);
    return await observeModel(played, tokens, { window, windows: tokens.length, signal, onProgress });
  } finally {
    await played.dispose();
  }
}

/** Undefined where the schedule consists of halves already. */
async function measureHalves(context: MethodContext, tokens: readonly number[]): Promise<Similarity | undefined> {
  const { steps } = context.model;
  const entries = halves(steps);
  return sameSteps(entries, steps) ? undefined : measure(context, tokens, entries);
}

const keyOf = ({ schedule, weights }: Pick<Candidate, "schedule" | "weights">): string => `${schedule} ${weights}`;

/** By `keyOf`; each is kept as soon as it is known. Weights of a type that this machine cannot hold are left out. */
async function measureLosses(
  { model, calibration, journal, signal, onProgress }: MethodContext,
  all: readonly Candidate[],
  judge: readonly number[],
): Promise<ReadonlyMap<string, number>> {
  const { window } = calibration!;
  const losses = new Map((await journal.read()) as unknown as readonly [string, number][] | undefined);
  let done = losses.size;
  for (const weights of weightTypes) {
    const open = all.filter((candidate) => candidate.weights === weights && !losses.has(keyOf(candidate)));
    const whole = open.length > 0 ? await asWritten(model, weights, window, signal) : undefined;
    try {
      for (const candidate of whole ? open : []) {
        const played = whole!.withSchedule(candidate.schedule);
        const session = played.session({ output: "loss" });
        try {
          const { meanLoss } = await perplexity(session, judge, { window, stride: window, signal });
          losses.set(keyOf(candidate), meanLoss);
        } finally {
          session.dispose();
          await played.dispose();
        }
        await journal.write([...losses]);
        onProgress?.({ label: `trying, ${weights}`, done: ++done, total: all.length, unit: "measurements" });
      }
    } finally {
      await whole?.dispose();
    }
  }
  return losses;
}

/** The model with the weights that it will have once it is written and opened with --weights. */
async function asWritten(
  model: Model,
  weights: Weights,
  contextLength: number,
  signal: AbortSignal | undefined,
): Promise<Model | undefined> {
  const { schedule, memory } = model;
  const options = { schedule, weights, contextLength, threads: memory.player.threads, signal };
  try {
    const { loaded, steps } = await loadCheckpoint(unquantized(await model.open()), nodeHost, model.name, options);
    return new Model(loaded, steps);
  } catch (error) {
    if (RefrainError.is(error) && error.code === "too-large" && weights !== "q4") return undefined;
    throw error;
  }
}
