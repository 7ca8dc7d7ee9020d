/**
 * Relaxed Recursive Transformers (arXiv 2410.20672): tied blocks with a low-rank difference for each step. The paper ties a trained
 * model and trains on; here all arms begin at random, so what is tried is the architecture, not the start by SVD.
 */
import type { Experiment } from "../experiment.ts";
import { type LlamaShape, llama } from "../shapes.ts";

const shape: LlamaShape = { width: 96, blocks: 3, heads: 6, ffn: 256 };
const looped = { model: llama(shape), schedule: "(0-2)x2" };

export const relaxedRecursive: Experiment = {
  name: "relaxed-recursive",
  title: "Shared blocks with a small difference for each step",
  paper: "Relaxed Recursive Transformers: Effective Parameter Sharing with Layer-wise LoRA (arXiv 2410.20672)",
  objective: "next token",
  arms: [
    { name: "small", what: "3 blocks, each once", model: llama(shape) },
    { name: "recursive", what: "3 blocks, twice", ...looped },
    { name: "relaxed-4", what: "and rank 4 for each step", ...looped, relaxed: { rank: 4 } },
    { name: "relaxed-16", what: "and rank 16 for each step", ...looped, relaxed: { rank: 16 } },
    { name: "whole", what: "6 blocks, each once", model: llama({ ...shape, blocks: 6 }) },
  ],
  claims: [
    { says: "a recursive model beats one of the same size played once", better: "recursive", worse: "small" },
    { says: "low-rank differences gain over plain sharing", better: "relaxed-16", worse: "recursive" },
    { says: "and more with a higher rank", better: "relaxed-16", worse: "relaxed-4" },
    { says: "the whole model stays ahead", better: "whole", worse: "relaxed-16" },
  ],
  remarks: [
    "The paper ties a trained model and trains on with distillation; these begin at random. Differences have parameters of their own, counted here.",
  ],
};
