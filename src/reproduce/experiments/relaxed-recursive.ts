/**
 * Relaxed Recursive Transformers (arXiv 2410.20672): a trained model is tied into blocks that are played several times, with a
 * low-rank difference for each step, and trained on. Here three blocks are played twice; the trained model is the arm `whole`.
 */
import type { Arm, Experiment } from "../experiment.ts";
import { type LlamaShape, llama } from "../shapes.ts";

const shape: LlamaShape = { width: 96, blocks: 3, heads: 6, ffn: 256 };
const small = llama(shape);
const whole = llama({ ...shape, blocks: 6 });
const looped = { model: small, schedule: "(0-2)x2" };
const tied = (init: NonNullable<Arm["start"]>["init"]) => ({ ...looped, start: { from: "whole", init } });

export const relaxedRecursive: Experiment = {
  name: "relaxed-recursive",
  title: "Shared blocks with a small difference for each step",
  paper: "Relaxed Recursive Transformers: Effective Parameter Sharing with Layer-wise LoRA (arXiv 2410.20672)",
  objective: "next token",
  arms: [
    { name: "whole", what: "6 blocks, each once", model: whole },
    { name: "whole-on", what: "the same, trained on", model: whole, start: { from: "whole", init: "stepwise" } },
    { name: "small", what: "3 blocks, each once", model: small },
    { name: "recursive", what: "3 blocks, twice", ...looped },
    { name: "stepwise", what: "3 blocks, twice, tied from whole", ...tied("stepwise") },
    { name: "average", what: "tied as the mean of two layers", ...tied("average") },
    { name: "lower", what: "tied as the lowest layers", ...tied("lower") },
    { name: "relaxed-4", what: "average, and rank 4 for each step", ...tied("average"), relaxed: { rank: 4 } },
    { name: "relaxed-16", what: "average, and rank 16 for each step", ...tied("average"), relaxed: { rank: 16 } },
  ],
  claims: [
    { says: "a recursive model beats one of the same size played once", better: "recursive", worse: "small" },
    { says: "it gains from a trained model as its beginning", better: "stepwise", worse: "recursive" },
    {
      says: "for plain sharing, layers at even intervals begin better than means",
      better: "stepwise",
      worse: "average",
    },
    { says: "and better than the lowest layers", better: "stepwise", worse: "lower" },
    { says: "low-rank differences, begun by SVD, gain over plain sharing", better: "relaxed-16", worse: "average" },
    { says: "and more with a higher rank", better: "relaxed-16", worse: "relaxed-4" },
    { says: "the whole model, trained on as long, stays ahead", better: "whole-on", worse: "relaxed-16" },
  ],
  remarks: [
    "Arms that begin as `whole` ended are trained as long again: they have seen twice the tokens of those that begin at random. In the paper the whole model had been trained for far longer than the recursive ones were.",
    "Differences have parameters of their own, counted here. The paper also distils from the whole model; these learn from text alone.",
  ],
};
