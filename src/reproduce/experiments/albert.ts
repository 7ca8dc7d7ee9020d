/**
 * ALBERT (arXiv 1909.11942): what sharing costs by what is shared, and by the width of the embedding. As in the paper's ablations
 * the arms have one width and depth, so their parameters differ. How the paper's figures rank was only known from memory when this
 * was written: arms carry none.
 */
import type { Arm, Experiment } from "../experiment.ts";
import { VOCABULARY } from "../shapes.ts";

const BLOCKS = 6;
const played = (step: (block: number) => string): string => Array.from({ length: BLOCKS }, (_, b) => step(b)).join(" ");

function albert(embedding: number, groups: number): Arm["model"] {
  return {
    model_type: "albert",
    vocab_size: VOCABULARY,
    embedding_size: embedding,
    hidden_size: 128,
    intermediate_size: 512,
    num_hidden_layers: BLOCKS,
    num_hidden_groups: groups,
    num_attention_heads: 4,
  };
}

const sharedAll = (embedding: number): Arm => ({
  name: `all-e${embedding}`,
  what: `all shared, embedding ${embedding} wide`,
  model: albert(embedding, 1),
});

export const albertExperiment: Experiment = {
  name: "albert",
  title: "What ALBERT shares, and how wide its embedding is",
  paper: "ALBERT: A Lite BERT for Self-supervised Learning of Language Representations (arXiv 1909.11942)",
  objective: "masked token",
  arms: [
    { name: "none", what: "nothing shared, embedding 64 wide", model: albert(64, BLOCKS) },
    {
      name: "attention",
      what: "attention shared",
      model: albert(64, BLOCKS),
      schedule: played((block) => `a0 f${block}`),
    },
    {
      name: "ffn",
      what: "feed-forward shared",
      model: albert(64, BLOCKS),
      schedule: played((block) => `a${block} f0`),
    },
    sharedAll(64),
    sharedAll(16),
    sharedAll(32),
    sharedAll(128),
  ],
  claims: [
    { says: "sharing all costs quality, for a fraction of the parameters", better: "none", worse: "all-e64" },
    { says: "sharing the feed-forward costs more than sharing attention", better: "attention", worse: "ffn" },
    { says: "a wider embedding helps little beyond a point", better: "all-e128", worse: "all-e64" },
  ],
  remarks: [
    "Losses are of masked tokens (spans, 15 %), so they cannot be compared with those of the other experiments.",
    "The paper judges by downstream tasks; sentence order, its second objective, is not trained here.",
  ],
};
