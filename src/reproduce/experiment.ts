/**
 * What an experiment is: models that differ in the one thing a paper speaks of, trained on equal tokens, and the paper's
 * claims about which of them is better. An experiment is data; run.ts trains it, report.ts writes down what came out.
 */
import type { Tying } from "../shrink/tie-layers.ts";

/** One model of an experiment. */
export interface Arm {
  /** Unique in its experiment: it names the run's folder. */
  readonly name: string;
  /** What is different about it, in a few words. */
  readonly what: string;
  /** Keys of a Hugging Face `config.json`; the vocabulary's size is the tokenizer's. */
  readonly model: Readonly<Record<string, unknown>>;
  /** Absent: each block once. */
  readonly schedule?: string;
  /** Blocks that are shared differ by step, by pairs of this rank. */
  readonly relaxed?: { readonly rank: number };
  /** Begins as an arm before it ended with the same seed, its layers tied into this one's blocks; absent: with random weights. */
  readonly start?: { readonly from: string; readonly init: Tying };
  /** What the paper measured for it, with the unit; absent where no figure of it could be read. */
  readonly paper?: string;
}

/** A sentence of the paper that a pair of arms can contradict. */
export interface Claim {
  readonly says: string;
  readonly better: string;
  readonly worse: string;
}

export interface Experiment {
  /** As the command line takes it. */
  readonly name: string;
  readonly title: string;
  /** With its arXiv number. */
  readonly paper: string;
  readonly objective: "next token" | "masked token";
  readonly arms: readonly Arm[];
  readonly claims: readonly Claim[];
  /** What must be known to read the figures: what the scale leaves out, what is not the paper's. */
  readonly remarks: readonly string[];
}

/** The arm of that name, which must exist. */
export function armOf(experiment: Experiment, name: string): Arm {
  const arm = experiment.arms.find((one) => one.name === name);
  if (!arm) throw new Error(`${experiment.name}: no arm "${name}"`);
  return arm;
}
