/**
 * The width of blocks: which rows and columns of their parameters belong to which head and to which hidden channel of the
 * feed-forward half, and models with fewer of them. Attention heads go in whole groups: a key/value head with the query heads that
 * read it. Every block keeps as many, though not the same ones, so that a config.json can say it and any tool loads it.
 */
import type { Parameter } from "../engine/parameter.ts";
import { inputError } from "../errors.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type ComputedTensor, pick } from "../weights/computed-tensor.ts";
import { type EditedCheckpoint, editedCheckpoint } from "../weights/edited-checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { findTensor, isTransposed } from "./load-weights.ts";

/** What a parameter is divided into along one axis of [rows, columns]; a vector has columns only. */
export interface Units {
  readonly kind: "head" | "channel";
  readonly axis: "rows" | "columns";
  /** The group of heads, or the channel, that a row or column belongs to. */
  readonly of: (index: number) => number;
}

/** Which units of each block stay, by its number; ascending. */
export type Kept = ReadonlyMap<number, { readonly heads: readonly number[]; readonly channels: readonly number[] }>;

/** By the end of a Llama's or a GPT-2's names. */
const roles: readonly (readonly [RegExp, Units["kind"], "rows" | "columns" | "packed"])[] = [
  [/self_attn\.[qkv]_proj\.(weight|bias)$/, "head", "rows"],
  [/self_attn\.o_proj\.weight$/, "head", "columns"],
  [/mlp\.(gate|up)_proj\.(weight|bias)$/, "channel", "rows"],
  [/mlp\.down_proj\.weight$/, "channel", "columns"],
  [/attn\.c_attn\.(weight|bias)$/, "head", "packed"],
  [/attn\.c_proj\.weight$/, "head", "columns"],
  [/mlp\.c_fc\.(weight|bias)$/, "channel", "rows"],
  [/mlp\.c_proj\.weight$/, "channel", "columns"],
];

/** Undefined where a parameter belongs to no unit: norms, and biases behind the sum over units. */
export function unitsOf(parameter: Parameter, config: ModelConfig): Units | undefined {
  const role = roles.find(([name]) => name.test(parameter.name));
  if (role === undefined) return undefined;
  const [, kind, along] = role;
  // The outputs of a linear map are the rows of its matrix and the columns of its bias.
  const axis = along === "columns" || parameter.kind === "vector" ? "columns" : "rows";
  if (kind === "channel") return { kind, axis, of: (index) => index };
  const length = axis === "rows" ? parameter.rows : parameter.columns;
  // Queries, keys and values one after the other: each third has all groups.
  const whole = along === "packed" ? length / 3 : length;
  const each = whole / config.kvHeads;
  return { kind, axis, of: (index) => Math.floor((index % whole) / each) };
}

/** Whether a matrix reads a half's units and writes to the residual stream. */
export const writesResidual = (parameter: Parameter, config: ModelConfig): boolean =>
  parameter.kind === "matrix" && unitsOf(parameter, config)?.axis === "columns";

/** Throws `width` where the model has no config for other numbers of heads. */
export function narrow(checkpoint: Checkpoint, config: ModelConfig, kept: Kept): EditedCheckpoint {
  const tensors = new Map<string, ComputedTensor>();
  for (const [block, { heads, channels }] of kept) {
    const staying = { head: new Set(heads), channel: new Set(channels) };
    for (const parameter of familyOf(config).block(config, block)) {
      const units = unitsOf(parameter, config);
      if (!units) continue;
      const indices = Array.from({ length: parameter[units.axis] }, (_, i) => i);
      const stays = indices.filter((i) => staying[units.kind].has(units.of(i)));
      if (stays.length === indices.length) continue;
      const tensor = findTensor(checkpoint, parameter);
      const flipped = parameter.kind === "matrix" && isTransposed(parameter, tensor);
      const picked = pick(checkpoint, tensor, (units.axis === "rows") === flipped ? "columns" : "rows", stays);
      tensors.set(parameter.name, picked);
    }
  }
  const [first] = kept.values();
  const { heads, channels } = first!;
  return editedCheckpoint(checkpoint, {
    tensors,
    config: narrowConfig(checkpoint, config, heads.length, channels.length),
  });
}

function narrowConfig(
  { config: original, path }: Checkpoint,
  config: ModelConfig,
  kvHeads: number,
  channels: number,
): Record<string, unknown> {
  const narrower: Record<string, unknown> = { ...original };
  if (config.modelType === "gpt2") {
    if (kvHeads < config.kvHeads) {
      throw inputError(
        "width",
        `${path}: a GPT-2 config has no words for heads that do not fill the residual stream`,
        "Prune the feed-forward halves alone.",
      );
    }
    return { ...narrower, n_inner: channels };
  }
  narrower.intermediate_size = channels;
  narrower.num_attention_heads = kvHeads * (config.heads / config.kvHeads);
  narrower.num_key_value_heads = kvHeads;
  // Otherwise a reader divides the hidden size by the heads.
  narrower.head_dim = config.headWidth;
  return narrower;
}
