/** Keys of a `config.json` that Refrain reads, by family; keys that it does not know may be there too. */
import * as v from "valibot";

const count = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 31 - 1));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const flag = v.optional(v.nullable(v.boolean()));
const optionalCount = v.optional(v.nullable(count));

const ropeScaling = v.looseObject({
  rope_type: v.optional(v.nullable(v.string())),
  type: v.optional(v.nullable(v.string())),
  rope_theta: v.optional(v.nullable(positive)),
  factor: v.optional(v.nullable(positive)),
  low_freq_factor: v.optional(v.nullable(positive)),
  high_freq_factor: v.optional(v.nullable(positive)),
  original_max_position_embeddings: optionalCount,
});

/** Pairs of each step of a shared block: see relaxed.ts. */
export const relaxedSchema = v.strictObject({
  rank: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4096), v.description("rank of a step's difference")),
  alpha: v.optional(
    v.pipe(positive, v.description("what the difference is multiplied by, times the rank (default: the rank)")),
  ),
  modules: v.optional(
    v.pipe(v.picklist(["all", "attention", "ffn"]), v.description("which linear maps differ by step")),
    "all",
  ),
});

/** A stable way into a loop: see recurrence.ts. */
export const recurrenceSchema = v.strictObject({
  block: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(0),
    v.maxValue(4095),
    v.description("the loop begins where this block is played"),
  ),
});

const shared = {
  model_type: v.string(),
  vocab_size: count,
  tie_word_embeddings: flag,
  refrain: v.optional(
    v.looseObject({
      schedule: v.optional(v.string()),
      relaxed: v.optional(relaxedSchema),
      recurrence: v.optional(recurrenceSchema),
    }),
  ),
};

export const llamaSchema = v.looseObject({
  ...shared,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: optionalCount,
  head_dim: optionalCount,
  hidden_act: v.optional(v.string(), "silu"),
  max_position_embeddings: v.optional(count, 2048),
  rms_norm_eps: v.optional(positive, 1e-6),
  rope_theta: v.optional(v.nullable(positive)),
  rope_scaling: v.optional(v.nullable(ropeScaling)),
  rope_parameters: v.optional(v.nullable(ropeScaling)),
  attention_bias: flag,
  mlp_bias: flag,
  mlp_gate: flag,
  sliding_window: optionalCount,
  use_sliding_window: flag,
  max_window_layers: v.optional(v.nullable(v.number())),
  layer_types: v.optional(v.nullable(v.array(v.string()))),
  share_embedding: flag,
  layer_sharing: flag,
});

export const gpt2Schema = v.looseObject({
  ...shared,
  n_embd: count,
  n_layer: count,
  n_head: count,
  n_positions: v.optional(count, 1024),
  n_inner: optionalCount,
  layer_norm_epsilon: v.optional(positive, 1e-5),
  activation_function: v.optional(v.string(), "gelu_new"),
  scale_attn_weights: flag,
  scale_attn_by_inverse_layer_idx: flag,
  reorder_and_upcast_attn: flag,
});

export const albertSchema = v.looseObject({
  ...shared,
  embedding_size: v.optional(count, 128),
  hidden_size: count,
  num_hidden_layers: count,
  num_hidden_groups: v.optional(count, 1),
  inner_group_num: v.optional(count, 1),
  num_attention_heads: count,
  intermediate_size: count,
  hidden_act: v.optional(v.string(), "gelu_new"),
  max_position_embeddings: v.optional(count, 512),
  type_vocab_size: v.optional(count, 2),
  layer_norm_eps: v.optional(positive, 1e-12),
  position_embedding_type: v.optional(v.nullable(v.string())),
});
