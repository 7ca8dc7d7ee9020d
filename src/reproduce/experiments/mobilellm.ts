/**
 * MobileLLM (arXiv 2402.14905): the road map from a ReLU baseline to a shared deep and thin model, the ways of sharing, and
 * the number of repeats. Every arm stores as many parameters as the baseline; what a step saves goes to the feed-forward.
 * Averages of eight zero-shot tasks at 125M parameters, 0.25T tokens, are the paper's.
 */
import type { Arm, Experiment } from "../experiment.ts";
import { type LlamaShape, llama, sized, uniqueParameters } from "../shapes.ts";

const baseline: LlamaShape = { width: 128, blocks: 4, heads: 4, ffn: 512, relu: true, untied: true };
const target = uniqueParameters({ model: llama(baseline) });
const equal = (shape: Omit<LlamaShape, "ffn">, schedule?: string) =>
  sized(target, (ffn) => ({ model: llama({ ...shape, ffn }), ...(schedule !== undefined && { schedule }) }));

const thin = { width: 96, blocks: 9, heads: 6 } as const;
const final = { ...thin, kvHeads: 2 } as const;
const shared = (name: string, what: string, schedule: string, paper?: string): Arm => ({
  name,
  what,
  ...equal(final, schedule),
  ...(paper !== undefined && { paper }),
});

export const mobilellm: Experiment = {
  name: "mobilellm",
  title: "The mobile recipe, step by step",
  paper: "MobileLLM: Optimizing Sub-billion Parameter Language Models for On-Device Use Cases (arXiv 2402.14905)",
  objective: "next token",
  arms: [
    { name: "relu", what: "4 wide blocks, ReLU, untied", model: llama(baseline), paper: "42.6" },
    { name: "swiglu", what: "the same with SwiGLU", ...equal({ ...baseline, relu: false }), paper: "43.9" },
    { name: "deep-thin", what: "9 thin blocks", ...equal({ ...thin, untied: true }), paper: "44.8" },
    { name: "tied", what: "input and output embedding shared", ...equal(thin), paper: "44.6" },
    { name: "gqa", what: "6 query heads on 2 key/value heads", ...equal(final), paper: "45.0" },
    shared("immediate-x2", "each block twice in a row", "each(0-8)x2", "immediate 45.0, unshared 44.6"),
    shared("all-over-x2", "all blocks, then all again", "(0-8)x2", "45.2"),
    shared("reverse-x2", "all blocks, then back", "0-8 8-0"),
    shared("immediate-x3", "each block three times", "each(0-8)x3"),
    shared("immediate-x4", "each block four times", "each(0-8)x4"),
  ],
  claims: [
    { says: "SwiGLU is better than a ReLU feed-forward (+1.3)", better: "swiglu", worse: "relu" },
    { says: "deep and thin is better than shallow and wide (+0.9)", better: "deep-thin", worse: "swiglu" },
    {
      says: "shared embeddings, spent on the blocks, gain (+0.2 with two more layers)",
      better: "tied",
      worse: "deep-thin",
    },
    { says: "grouped queries, spent elsewhere, gain (+0.4)", better: "gqa", worse: "tied" },
    { says: "playing each block twice gains (+0.4)", better: "immediate-x2", worse: "gqa" },
    { says: "repeat-all-over is a little better than immediate (+0.2)", better: "all-over-x2", worse: "immediate-x2" },
    { says: "a third play gains little or nothing", better: "immediate-x3", worse: "immediate-x2" },
  ],
  remarks: [
    "The paper's figures are accuracies at 125M parameters and 0.25T tokens; ours are validation losses of models a hundred times smaller.",
    "What a step saves goes to the feed-forward here; the paper spends it on depth (embedding sharing) and width (grouped queries).",
  ],
};
