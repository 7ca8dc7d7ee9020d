/**
 * The ways to make a model smaller that change weights or measure more than a look at the hidden states, for a search: fewer tokens
 * (vocabulary.ts), fewer layers (taylor.ts, perplexity.ts), narrower feed-forwards (taylor.ts, surgeon.ts), averaged or merged layers
 * (tie.ts, collapse.ts), a trained layer in place of several (replace.ts). What each would cost is known before it is made.
 */
import type { Similarity } from "../measure/similarity.ts";
import type { ModelConfig } from "../model/config.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { smallerVocabulary } from "../text/smaller-vocabulary.ts";
import { type Smaller, upTo, type Way } from "./candidates.ts";
import { collapseMethod } from "./collapse.ts";
import { nearestPairs, sharePairs } from "./demo.ts";
import { type BlockImportance, importance } from "./importance.ts";
import { memoryJournal } from "./journal.ts";
import type { Calibration, Json, Method, MethodContext, Shrunk } from "./method.ts";
import { defaultValues } from "./method-options.ts";
import { perplexity as perplexityMethod } from "./perplexity.ts";
import { chooseRun, isOfBlocks, replaceMethod, replaceRun, usualTraining } from "./replace.ts";
import { withBlockLike } from "./replacement.ts";
import { areLayers, narrowed, surgeonMethod } from "./surgeon.ts";
import { channelCounts, narrower, shallower, taylorMethod } from "./taylor.ts";
import { tieMethod } from "./tie.ts";
import { keepTokens, spareTokens, vocabularyMethod } from "./vocabulary.ts";

/** Which of them a search tries: "untrained" leaves out what is trained. */
export const rewritings = ["all", "untrained", "none"] as const;
export type Rewriting = (typeof rewritings)[number];

/** Steps of the optimizer for one layer: minutes for a model of a hundred million parameters. */
const UPDATES = 200;

/** Windows that layers are solved by: minutes, too. */
const SOLVED = 128;

/** Windows that are played without each layer in turn: minutes, too. */
const PLAYED = 8;

const ONE_WINDOW = "there is one window of text to learn from, and none to hold out";

export interface LeftOut {
  readonly way: string;
  /** Why this model cannot have it. */
  readonly why: string;
}

export interface WaysToRewrite {
  readonly ways: readonly Way[];
  readonly leftOut: readonly LeftOut[];
}

interface Given {
  readonly context: MethodContext;
  /** What they learn and choose by. */
  readonly text: Calibration;
  /** The whole schedule on it. */
  readonly measured: Similarity;
  /** Measured when it is first asked for. */
  readonly importance: () => Promise<readonly BlockImportance[]>;
}

/** A way, or why this model cannot have it. */
type Rewrite = (given: Given) => Omit<Way, "name"> | string;

/** `text` is what they learn and choose by, `measured` the whole schedule on it. */
export function waysToRewrite(
  which: Rewriting,
  context: MethodContext,
  text: Calibration,
  measured: Similarity,
): WaysToRewrite {
  const untrained: Readonly<Record<string, Rewrite>> = {
    vocabulary,
    tie,
    width,
    taylor,
    collapse,
    perplexity,
    surgeon,
  };
  const all: Readonly<Record<string, Rewrite>> = { all: { ...untrained, replace }, untrained, none: {} }[which];
  const { config } = context.model;
  const whole = config.relaxed || config.recurrence;
  const found = once(() => {
    const windows = rewindowed(text, taylorMethod.calibration!);
    return importance(context.model, windows, { by: "weights", ...reporting(context, "taylor") });
  });
  const given = { context, text, measured, importance: () => found(0) };
  const ways: Way[] = [];
  const leftOut: LeftOut[] = [];
  for (const [name, rewrite] of Object.entries(all)) {
    const way = whole ? "the model's steps are more than its blocks, which cannot be changed" : rewrite(given);
    if (typeof way === "string") leftOut.push({ way: name, why: way });
    else ways.push({ name, ...way });
  }
  return { ways, leftOut };
}

/** By tokens, in 64 steps. */
const vocabulary: Rewrite = ({ context: { model }, text }) => {
  const { config, steps } = model;
  if (!model.tokenizer) return "the model has no tokenizer";
  const smaller = smallerVocabulary(model.tokenizer);
  const counts = spareTokens(config.vocabSize, smaller.least);
  if (counts.length === 0) return "hardly a token is a merge of others";
  const made = once(async (count) => {
    return told(vocabularyMethod.name, {}, await keepTokens(model, text.tokens, smaller, config.vocabSize - count));
  });
  return {
    of: config.vocabSize,
    counts,
    by: (count) => ({
      steps,
      dropped: [],
      config: { ...config, vocabSize: config.vocabSize - count },
      make: () => made(count),
    }),
  };
};

/** By hidden channels, which every block chooses for itself. */
const width: Rewrite = ({ context: { model }, importance }) => {
  const { config, steps } = model;
  const left = channelCounts(config.ffnSize);
  if (left.length === 1) return `there are only ${config.ffnSize} hidden channels`;
  const options = { what: "width", importance: "weights", "kv-heads": 0 } as const;
  const made = once(async (count) => {
    const left = { kvHeads: config.kvHeads, channels: config.ffnSize - count };
    return told(taylorMethod.name, options, narrower(config, steps, await importance(), left));
  });
  return fewerChannels(config, steps, left, made);
};

/** By hidden channels, and what is left is solved for. */
const surgeon: Rewrite = ({ context, text }) => {
  const { model } = context;
  const { config, steps } = model;
  if (!areLayers(steps)) return needsLayers("solves", steps);
  const left = channelCounts(config.ffnSize);
  if (left.length === 1) return `there are only ${config.ffnSize} hidden channels`;
  const windows = rewindowed(text, { window: surgeonMethod.calibration!.window, windows: SOLVED });
  if (windows.windows < 2) return ONE_WINDOW;
  const made = once(async (count) => {
    const options = { channels: config.ffnSize - count, ...reporting(context, `surgeon (${count})`) };
    return told(surgeonMethod.name, {}, await narrowed(model, windows, options));
  });
  return { ...fewerChannels(config, steps, left, made), dear: true };
};

/** By layers that go, at most half of them: those whose weights the loss depends on least. */
const taylor: Rewrite = ({ context, importance }) => {
  const { steps } = context.model;
  if (steps.length < 2) return "there is one layer";
  if (!areLayers(steps)) return needsLayers("ranks", steps);
  const options = { what: "layers", importance: "weights", "kv-heads": 0 } as const;
  const made = once(async (count) => {
    const amount = { kind: "drop", steps: count } as const;
    return told(taylorMethod.name, options, shallower({ ...context, amount }, await importance()));
  });
  return { of: steps.length, counts: upTo(Math.floor(steps.length / 2)), by: fewerLayers(steps, made) };
};

/** By pairs of neighbours that become one shared block, the mean of both: those that turn the hidden state least first. */
const tie: Rewrite = ({ context, measured }) => {
  const { steps } = context.model;
  if (!areLayers(steps)) return needsLayers("averages", steps);
  const pairs = nearestPairs(steps, measured, [], steps.length);
  if (pairs.length === 0) return "there is one layer";
  const shared = (count: number) => sharePairs(steps, [], pairs.slice(0, count));
  const made = once(async (count) => {
    const options = { to: printSteps(shared(count)), init: "average", rank: 0 } as const;
    return told(tieMethod.name, options, { ...(await tieMethod.run(context, options)), notes: [] });
  });
  const by = (count: number): Smaller => ({ steps: shared(count), dropped: [], make: () => made(count) });
  return { of: steps.length, counts: upTo(pairs.length), by };
};

/** By layers that go, at most half of them: in each round the one that the text misses least. */
const perplexity: Rewrite = ({ context, text }) => {
  const { steps } = context.model;
  if (steps.length < 2) return "there is one layer";
  if (!areLayers(steps)) return needsLayers("drops", steps);
  const windows = { ...perplexityMethod.calibration!, windows: PLAYED };
  return { ...asMethod(perplexityMethod, context, rewindowed(text, windows)), dear: true };
};

/** By layers that go, at most half of them. */
const collapse: Rewrite = ({ context, text }) => {
  const { steps } = context.model;
  if (steps.length < 3) return "there are fewer than three layers";
  if (!areLayers(steps)) return needsLayers("merges", steps);
  return asMethod(collapseMethod, context, rewindowed(text, collapseMethod.calibration!));
};

/** By layers that go, at most half of them: one does not learn to do the work of more. */
const replace: Rewrite = ({ context, text, measured }) => {
  const { model } = context;
  const { config, steps } = model;
  if (text.windows < 2) return ONE_WINDOW;
  const run = (count: number) => chooseRun({ kind: "drop", steps: count }, config, steps, measured);
  const counts = upTo(Math.floor(steps.length / 2)).filter((count) => isOfBlocks(steps, run(count)));
  if (counts.length === 0) return "there is no run of whole layers for one to stand for";
  const options = { ...usualTraining, updates: UPDATES };
  const made = once(async (count) => {
    const training = { ...options, ...reporting(context, `replace (${count})`) };
    const replaced = await replaceRun(model, text, run(count), training);
    return told(replaceMethod.name, options, { ...replaced, scores: measured.angular[count]! });
  });
  const by = (count: number): Smaller => {
    const { first, left } = run(count);
    return {
      steps: left,
      dropped: [],
      config: withBlockLike(config, steps[first]!.block),
      make: () => made(count),
    };
  };
  return { of: steps.length, counts, by, dear: true };
};

const needsLayers = (does: string, steps: Steps): string =>
  `it ${does} layers, and "${printSteps(steps)}" plays shared blocks or halves`;

/** By layers that go, at most half of them, as a method chooses them: what it measures for one amount serves others that begin alike. */
function asMethod(method: Method, context: MethodContext, calibration: Calibration): Omit<Way, "name"> {
  const { steps } = context.model;
  const options = defaultValues(method.options) as Parameters<typeof method.run>[1];
  const journal = memoryJournal();
  const made = once(async (count) => {
    const amount = { kind: "drop", steps: count } as const;
    const asked = { ...context, calibration, journal, amount, ...reporting(context, `${method.name} (${count})`) };
    return told(method.name, options, await method.run(asked, options));
  });
  return { of: steps.length, counts: upTo(Math.floor(steps.length / 2)), by: fewerLayers(steps, made) };
}

/** Which layers go is not known yet; all cost the same. */
const fewerLayers =
  (steps: Steps, made: (count: number) => Promise<Shrunk>) =>
  (count: number): Smaller => ({ steps: steps.slice(count), dropped: [], make: () => made(count) });

const fewerChannels = (
  config: ModelConfig,
  steps: Steps,
  left: readonly number[],
  made: (count: number) => Promise<Shrunk>,
): Omit<Way, "name"> => ({
  of: config.ffnSize,
  counts: left.map((channels) => config.ffnSize - channels).slice(1),
  by: (count) => ({
    steps,
    dropped: [],
    config: { ...config, ffnSize: config.ffnSize - count },
    make: () => made(count),
  }),
});

/** With what it was made by. */
function told(method: string, options: { readonly [key: string]: Json | undefined }, shrunk: Shrunk): Shrunk {
  return { ...shrunk, record: { method, options: options as Json, ...shrunk.record } };
}

function reporting({ signal, onProgress }: MethodContext, name: string): Pick<MethodContext, "signal" | "onProgress"> {
  return { signal, onProgress: (progress) => onProgress?.({ ...progress, label: `${name}: ${progress.label}` }) };
}

/** Remembers what it made for each number. */
function once<T>(make: (count: number) => Promise<T>): (count: number) => Promise<T> {
  const made = new Map<number, Promise<T>>();
  return (count) => {
    const known = made.get(count) ?? make(count);
    made.set(count, known);
    return known;
  };
}

/** The beginning of a text, in other windows. */
export function rewindowed(
  text: Calibration,
  { window, windows }: { readonly window: number; readonly windows: number },
): Calibration {
  const length = Math.min(window, text.window);
  const count = Math.min(windows, Math.floor(text.tokens.length / length));
  return { ...text, tokens: text.tokens.slice(0, length * count), window: length, windows: count };
}
