/** What a family file gives: its parameters and its two half blocks, written as the paper's equations. */
import type { Graph, RopeTable, Value } from "../engine/graph.ts";
import type { Parameter } from "../engine/parameter.ts";
import type { ModelConfig } from "./config.ts";

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
  /** The key of config.json that counts the blocks. */
  readonly blockCountKey: string;
  /** Name of a parameter of block `from` as it is called in block `to`. */
  rename(name: string, from: number, to: number): string;
}

/** The parameters in a record of them, without the ones that a model lacks. */
export function present(parameters: Readonly<Record<string, Parameter | undefined>>): Parameter[] {
  return Object.values(parameters).filter((parameter) => parameter !== undefined);
}
