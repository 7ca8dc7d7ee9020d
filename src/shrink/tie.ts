/** Tying layers into the shared blocks of a target schedule, as a method (tie-layers.ts has the rules). */
import { inputError } from "../errors.ts";
import { describeMixes, mixBlocks } from "../model/mix-blocks.ts";
import type { Edit } from "../refrain.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { defineMethod } from "./method.ts";
import { choiceOption, integerOption, textOption } from "./method-options.ts";
import { relax } from "./relax.ts";
import { tie, tyings } from "./tie-layers.ts";

export const tieMethod = defineMethod({
  name: "tie",
  description: "makes shared blocks of existing layers, to be trained further",
  paper: "Relaxed Recursive Transformers: Effective Parameter Sharing with Layer-wise LoRA (arXiv 2410.20672)",
  amounts: [],
  options: {
    to: textOption({
      hint: "SCHEDULE",
      description: 'the schedule to arrive at, with as many layers, e.g. "each(0-14)x2"',
    }),
    init: choiceOption({
      values: tyings,
      default: "stepwise",
      description: "a shared block begins as a layer at even intervals, the mean of its layers, or one of the lowest",
    }),
    rank: integerOption({
      hint: "R",
      min: 0,
      max: 4096,
      default: 0,
      description: "let plays of a shared block differ by low-rank pairs, the best for the layers that they stand for",
    }),
  },
  run: async ({ model, signal, onProgress }, { to, init, rank }) => {
    const { steps: source, config } = model;
    if (to === undefined) {
      throw inputError("option-missing", "tie needs a schedule to arrive at", 'Give one, e.g. --to "each(0-14)x2".');
    }
    const { steps, mixes } = tie(source, expand(parseSchedule(to)), init, config.blocks);
    const tied: Edit | undefined = mixes.length > 0 ? (checkpoint) => mixBlocks(checkpoint, config, mixes) : undefined;
    const edit = rank === 0 ? tied : await relax(model, { steps, tied, rank, signal, onProgress });
    return {
      steps,
      ...(edit && { edit }),
      dropped: [],
      scores: [],
      record: { blocks: describeMixes(mixes, config.blocks) },
      notes: [
        rank === 0
          ? "Tied layers no longer do what they did: train the model further (refrain heal, or train with start) before you use it."
          : "Tied layers do only nearly what they did: train the model further (refrain heal, or train with start) before you use it.",
      ],
    };
  },
});
