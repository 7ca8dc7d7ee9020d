/**
 * The ways to make a model smaller that change weights, for a search: fewer tokens (vocabulary.ts), narrower feed-forwards
 * (taylor.ts), merged layers (collapse.ts), a trained layer in place of several (replace.ts). What each would cost is known before it is made.
 */
import type { Similarity } from "../measure/similarity.ts";
import { printSteps } from "../schedule/print.ts";
import { smallerVocabulary } from "../text/smaller-vocabulary.ts";
import { type Smaller, upTo, type Way } from "./candidates.ts";
import { collapseMethod } from "./collapse.ts";
import { importance } from "./importance.ts";
import { memoryJournal } from "./journal.ts";
import type { Calibration, Json, MethodContext, Shrunk } from "./method.ts";
import { defaultValues } from "./method-options.ts";
import { chooseRun, isOfBlocks, replaceMethod, replaceRun, usualTraining } from "./replace.ts";
import { withBlockLike } from "./replacement.ts";
import { channelCounts, narrower, taylorMethod } from "./taylor.ts";
import { keepTokens, ROWS, vocabularyMethod } from "./vocabulary.ts";

/** Which of them a search tries: "untrained" leaves out what is trained. */
export const rewritings = ["all", "untrained", "none"] as const;
export type Rewriting = (typeof rewritings)[number];

/** Steps of the optimizer for one layer: minutes for a model of a hundred million parameters. */
const UPDATES = 200;

export interface LeftOut {
  readonly way: string;
  /** Why this model cannot have it. */
  readonly why: string;
}

export interface WaysToRewrite {
  readonly ways: readonly Way[];
  readonly leftOut: readonly LeftOut[];
}

/** `text` is what they learn and choose by, `measured` the whole schedule on it. */
export function waysToRewrite(
  which: Rewriting,
  context: MethodContext,
  text: Calibration,
  measured: Similarity,
): WaysToRewrite {
  const { config } = context.model;
  const all = { all: [trimming, narrowing, merging, replacing], untrained: [trimming, narrowing, merging], none: [] }[
    which
  ];
  const ways = all.map((way): Way | LeftOut => {
    if (config.relaxed || config.recurrence) {
      return { way: way.name, why: "the model's steps are more than its blocks, which cannot be changed" };
    }
    return way(context, text, measured);
  });
  return {
    ways: ways.filter((way) => "counts" in way),
    leftOut: ways.filter((way) => "why" in way),
  };
}

/** By tokens, in 64 steps. */
function trimming({ model }: MethodContext, text: Calibration): Way | LeftOut {
  const { config, steps } = model;
  const name = "vocabulary";
  const step = ROWS * Math.ceil(config.vocabSize / 64 / ROWS);
  if (!model.tokenizer) return { way: name, why: "the model has no tokenizer" };
  const most = config.vocabSize - smallerVocabulary(model.tokenizer).least;
  if (most < step) return { way: name, why: "hardly a token is a merge of others" };
  const made = once(async (count) => {
    return told(vocabularyMethod.name, {}, await keepTokens(model, text.tokens, config.vocabSize - count));
  });
  return {
    name,
    of: config.vocabSize,
    counts: upTo(Math.floor(most / step)).map((steps) => steps * step),
    by: (count) => ({
      steps,
      dropped: [],
      config: { ...config, vocabSize: config.vocabSize - count },
      make: () => made(count),
    }),
  };
}

/** By hidden channels, which every block chooses for itself. */
function narrowing(context: MethodContext, text: Calibration): Way | LeftOut {
  const { model } = context;
  const { config, steps } = model;
  const name = "width";
  const left = channelCounts(config.ffnSize);
  if (left.length === 1) return { way: name, why: `there are only ${config.ffnSize} hidden channels` };
  const options = { what: "width", importance: "weights", "kv-heads": 0 } as const;
  const measured = once(() => {
    const windows = rewindowed(text, taylorMethod.calibration!);
    return importance(model, windows, { by: options.importance, ...reporting(context, name) });
  });
  const make = async (count: number) => {
    const width = { kvHeads: config.kvHeads, channels: config.ffnSize - count };
    return told("taylor", options, narrower(config, steps, await measured(0), width));
  };
  const made = once(make);
  return {
    name,
    of: config.ffnSize,
    counts: left.map((channels) => config.ffnSize - channels).slice(1),
    by: (count) => ({
      steps,
      dropped: [],
      config: { ...config, ffnSize: config.ffnSize - count },
      make: () => made(count),
    }),
  };
}

/** By layers that go, at most half of them. */
function merging(context: MethodContext, text: Calibration): Way | LeftOut {
  const { steps } = context.model;
  const name = "collapse";
  if (steps.length < 3) return { way: name, why: "there are fewer than three layers" };
  const blocks = new Set(steps.map(({ block }) => block)).size;
  if (blocks < steps.length || steps.some(({ part }) => part !== "block")) {
    return { way: name, why: `it merges layers, and "${printSteps(steps)}" plays shared blocks or halves` };
  }
  const options = defaultValues(collapseMethod.options) as Parameters<typeof collapseMethod.run>[1];
  // Many amounts begin with the same merges, which are measured once.
  const shared = { calibration: rewindowed(text, collapseMethod.calibration!), journal: memoryJournal() };
  const made = once(async (count) => {
    const amount = { kind: "drop", steps: count } as const;
    const asked = { ...context, ...shared, amount, ...reporting(context, `${name} (${count})`) };
    return told(name, options, await collapseMethod.run(asked, options));
  });
  return {
    name,
    of: steps.length,
    counts: upTo(Math.floor(steps.length / 2)),
    // Which layers go is not known yet; all cost the same.
    by: (count) => ({ steps: steps.slice(count), dropped: [], make: () => made(count) }),
  };
}

/** By layers that go, at most half of them: one does not learn to do the work of more. */
function replacing(context: MethodContext, text: Calibration, measured: Similarity): Way | LeftOut {
  const { model } = context;
  const { config, steps } = model;
  const name = "replace";
  if (text.windows < 2) return { way: name, why: "there is one window of text to learn from, and none to hold out" };
  const run = (count: number) => chooseRun({ kind: "drop", steps: count }, config, steps, measured);
  const counts = upTo(Math.floor(steps.length / 2)).filter((count) => isOfBlocks(steps, run(count)));
  if (counts.length === 0) return { way: name, why: "there is no run of whole layers for one to stand for" };
  const options = { ...usualTraining, updates: UPDATES };
  const made = once(async (count) => {
    const training = { ...options, ...reporting(context, `${name} (${count})`) };
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
  return { name, of: steps.length, counts, by, dear: true };
}

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
