/**
 * Models of an experiment's scale, by shape. Where arms must have equal parameters one dimension is left open and solved
 * for, so that "equal" is computed and not copied by hand.
 */
import { modelCost } from "../measure/cost.ts";
import { parseConfig } from "../model/config.ts";
import { steps } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { identitySteps } from "../schedule/schedule.ts";

/** Pieces of the byte-pair vocabulary that every experiment trains on its text. */
export const VOCABULARY = 512;
/** Tokens of a sequence. */
export const LENGTH = 128;

export interface LlamaShape {
  readonly width: number;
  readonly blocks: number;
  readonly heads: number;
  readonly kvHeads?: number;
  readonly ffn: number;
  /** Two matrices and a ReLU instead of SwiGLU's three. */
  readonly relu?: boolean;
  readonly untied?: boolean;
}

/** Keys of a Llama's `config.json`. */
export function llama({ width, blocks, heads, kvHeads = heads, ffn, relu = false, untied = false }: LlamaShape) {
  return {
    model_type: "llama",
    vocab_size: VOCABULARY,
    hidden_size: width,
    intermediate_size: ffn,
    num_hidden_layers: blocks,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    max_position_embeddings: LENGTH,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: !untied,
    ...(relu && { hidden_act: "relu", mlp_gate: false }),
  };
}

export type ModelKeys = Readonly<Record<string, unknown>>;

/** What decides how many parameters an arm stores. */
export interface Stored {
  readonly model: ModelKeys;
  readonly schedule?: string;
  readonly relaxed?: { readonly rank: number };
}

/** Parameters that are stored, each once. */
export function uniqueParameters({ model, schedule, relaxed }: Stored): number {
  const own = { ...(schedule !== undefined && { schedule }), ...(relaxed && { relaxed }) };
  const config = parseConfig({ ...model, ...(Object.keys(own).length > 0 && { refrain: own }) }, "experiment");
  const played = schedule === undefined ? identitySteps(config.blocks) : steps(parseSchedule(schedule));
  return modelCost(config, played).uniqueParameters;
}

/** The dimension, a multiple of `multiple`, at which the model that `make` gives has as nearly as possible `target` parameters. */
export function sized(target: number, make: (dimension: number) => Stored, multiple = 4): Stored {
  const away = (n: number): number => Math.abs(uniqueParameters(make(n * multiple)) - target);
  let best = 1;
  // Parameters grow with the dimension: past the best the distance only grows.
  while (away(best + 1) < away(best)) best++;
  return make(best * multiple);
}
