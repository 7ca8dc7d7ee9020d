/**
 * LaCo as a method (collapse-layers.ts has the algorithm): how much goes is given, and the threshold found for it, the
 * highest of 0.95, 0.90, … at which enough layers can be merged.
 */
import { inputError } from "../errors.ts";
import { lastStates, meanCosine } from "../measure/last-state.ts";
import { describeMixes, mixBlocks } from "../model/mix-blocks.ts";
import type { Model } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import { fewest } from "./amount.ts";
import { type Collapsed, collapse, collapsedSteps, type Layer, layersOf, merges } from "./collapse-layers.ts";
import { defineMethod, type Json, type MethodContext, type Shrunk } from "./method.ts";
import { choiceOption, integerOption, numberOption } from "./method-options.ts";

export const collapseMethod = defineMethod({
  name: "collapse",
  description: "merges neighbouring layers from the top down, as long as the last hidden state stays similar",
  paper: "LaCo: Large Language Model Pruning via Layer Collapse (arXiv 2402.11187)",
  amounts: ["drop", "params"],
  calibration: { window: 64, windows: 5 },
  options: {
    merge: choiceOption({
      values: merges,
      default: "keep-last",
      description: "as the authors' code merges (the last of a group stays), or by the paper's formula",
    }),
    group: integerOption({
      hint: "N",
      min: 2,
      max: 4096,
      default: 4,
      description: "layers that one merge makes into one",
    }),
    interval: integerOption({
      hint: "N",
      min: 1,
      max: 4096,
      default: 1,
      description: "how far below a merge the next is tried",
    }),
    lowest: integerOption({
      hint: "N",
      min: 0,
      max: 4095,
      default: 0,
      description: "layer from which on layers are merged",
    }),
    spare: integerOption({
      hint: "N",
      min: 0,
      max: 4095,
      default: 1,
      description: "last layers that the first merge spares",
    }),
    threshold: numberOption({
      hint: "T",
      min: -1,
      max: 1,
      default: -1,
      description: "least cosine of the last hidden state that may be left",
    }),
  },
  run: async (context, { merge, group, interval, lowest, spare, threshold }) => {
    const { model, amount } = context;
    const { steps, config } = model;
    const count = steps.length;
    const layers = layersOf(steps);
    const drop = fewest(amount!, config, steps, (n) => Array.from({ length: n }, (_, i) => count - n + i)).length;
    const highest = count - spare;
    const range = { merge, group: Math.min(group, highest - lowest), interval, lowest, highest, drop };
    const similarity = await measuring(context);
    let found: Collapsed | undefined;
    let used = threshold;
    for (used of thresholds(threshold)) {
      found = await collapse(layers, { ...range, threshold: used }, similarity);
      if (count - found.layers.length >= drop) return shrunk(model, found, used);
    }
    throw inputError(
      "collapse-threshold",
      `only ${count - found!.layers.length} of ${drop} layers can be merged with a similarity above ${threshold}`,
      "Give a lower --threshold, or merge fewer layers.",
    );
  },
});

/** From 0.95 downwards, and last what the user allows. */
function thresholds(least: number): number[] {
  const usual = Array.from({ length: 19 }, (_, i) => (95 - 5 * i) / 100);
  return [...usual.filter((threshold) => threshold > least), least];
}

/** How similar the last hidden state stays; every merged model is measured once, also over interruptions. */
async function measuring({ model, calibration, journal, signal, onProgress }: MethodContext) {
  const { tokens, window, windows } = calibration!;
  const sentences = Array.from({ length: windows }, (_, i) => tokens.slice(i * window, (i + 1) * window));
  const original = await lastStates(model, sentences, signal);
  const known = new Map((await journal.read()) as unknown as readonly [string, number][] | undefined);
  let asked = 0;
  return async (layers: readonly Layer[]): Promise<number> => {
    onProgress?.({ label: "merging layers", done: ++asked, total: asked, unit: "measurements" });
    const key = JSON.stringify(layers.map(({ weights, norms }) => [weights, norms]));
    let similar = known.get(key);
    if (similar === undefined) {
      const merged = await edited(model, layers, signal);
      try {
        similar = meanCosine(original, await lastStates(merged, sentences, signal));
      } finally {
        await merged.dispose();
      }
      known.set(key, similar);
      await journal.write([...known]);
    }
    return similar;
  };
}

function edited(model: Model, layers: readonly Layer[], signal: AbortSignal | undefined): Promise<Model> {
  const { steps, mixes } = collapsedSteps(layers, model.steps, model.config.blocks);
  return model.edited((source) => mixBlocks(source, model.config, mixes), printSteps(steps), { signal });
}

function shrunk({ steps: source, config }: Model, { layers, trials }: Collapsed, threshold: number): Shrunk {
  const { steps, mixes } = collapsedSteps(layers, source, config.blocks);
  const groups = layers.map(({ members }) => members).filter((members) => members.length > 1);
  const similarity = trials.findLast(({ accepted }) => accepted)!.similarity;
  const inWords = groups.map((members) => `${members[0]}–${members.at(-1)}`).join(", ");
  return {
    steps,
    edit: (checkpoint) => mixBlocks(checkpoint, config, mixes),
    dropped: [],
    scores: trials as unknown as Json,
    record: { threshold, similarity, merged: groups, blocks: describeMixes(mixes, config.blocks) },
    notes: [
      `Each of these runs of layers became one: ${inWords}. The last hidden state has a cosine of ${similarity.toFixed(3)} with the source's.`,
    ],
  };
}
