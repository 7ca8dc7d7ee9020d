/**
 * Drops the n steps with the smallest Block Influence, wherever they stand (ShortGPT, arXiv 2403.03853).
 * Each step is scored as if it went alone: that two neighbours may do the same work is not seen, except where the method
 * measures anew after each removal (by-similarity.ts).
 * Steps that score the same: the deeper goes first.
 */
import { checkDrop, type Rule } from "./rule.ts";

export const influence: Rule = {
  name: "influence",
  description: "the single steps that change the hidden state least, not necessarily neighbours",
  paper: "ShortGPT: Layers in Large Language Models are More Redundant Than You Expect (arXiv 2403.03853)",
  choose({ steps, influence: scores }, drop) {
    checkDrop(steps, drop);
    const byScore = Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]! || b - a);
    return byScore.slice(0, drop).sort((a, b) => a - b);
  },
  scores: ({ influence: scores }) => scores,
  // Which of two steps at the border goes is no clearly different choice.
  rival: () => undefined,
};
