/** What a family file gives: its parameters and its two half blocks, written as the paper's equations. */
import type { Graph, RopeTable, Value } from "../engine/graph.ts";
import type { Parameter } from "../engine/parameter.ts";
import { identitySteps, type Steps } from "../schedule/schedule.ts";
import type { ModelConfig } from "./config.ts";

export interface Counting {
  readonly keys: Readonly<Record<string, number>>;
  /** What is played where a config has these keys and no schedule. */
  readonly plays: Steps;
  /** The name of a tensor in such a file, where it is another. */
  readonly stored?: (name: string) => string;
}

/** The count of most families: one key, each block once. */
export const countedBy =
  (key: string): Family["counting"] =>
  (blocks) => ({ keys: { [key]: blocks }, plays: identitySteps(blocks) });

export interface Family {
  /** Every parameter outside the blocks. */
  outer(config: ModelConfig): readonly Parameter[];
  /** Every parameter of one block. */
  block(config: ModelConfig, block: number): readonly Parameter[];
  /** Tokens → residual stream. */
  embed(g: Graph, config: ModelConfig): Value;
  /** Residual stream + attention of `block`. */
  attention(g: Graph, x: Value, config: ModelConfig, block: number, table: RopeTable): Value;
  /** Residual stream + feed-forward of `block`. */
  ffn(g: Graph, x: Value, config: ModelConfig, block: number): Value;
  /** Residual stream → logits: final norm and output projection. */
  head(g: Graph, x: Value, config: ModelConfig): Value;
  /** How config.json counts `blocks` blocks, so that a tool without schedules plays `steps` if it can. */
  counting(blocks: number, steps: Steps): Counting;
  /** Name of a parameter of block `from` as it is called in block `to`. */
  rename(name: string, from: number, to: number): string;
}

/** The parameters in a record of them, without the ones that a model lacks. */
export function present(parameters: Readonly<Record<string, Parameter | undefined>>): Parameter[] {
  return Object.values(parameters).filter((parameter) => parameter !== undefined);
}
