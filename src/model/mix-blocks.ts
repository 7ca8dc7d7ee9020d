/**
 * New blocks that are sums of a model's own: what merging, averaging and choosing layers for shared blocks have in common.
 * They are put behind the checkpoint's blocks, so that every block keeps its number and a schedule says where they play;
 * whoever saves it writes only what is played.
 *
 * A half that is one block as it is (a single term of weight 1) keeps its bytes; a sum becomes F16, or F32 where a source is.
 */
import type { Parameter } from "../engine/parameter.ts";
import { printSteps } from "../schedule/print.ts";
import { identitySteps } from "../schedule/schedule.ts";
import type { Checkpoint, StoredTensor } from "../weights/checkpoint.ts";
import { type ComputedTensor, weightedSum } from "../weights/computed-tensor.ts";
import { type EditedCheckpoint, editedCheckpoint } from "../weights/edited-checkpoint.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { findTensor } from "./load-weights.ts";

/** Σ weight · block. */
export type Mix = readonly { readonly block: number; readonly weight: number }[];

export interface HalfMix {
  /** Matrices and their biases. */
  readonly weights: Mix;
  readonly norms: Mix;
}

/** A half that will not be played may be left out. */
export interface BlockMix {
  readonly attention?: HalfMix;
  readonly ffn?: HalfMix;
}

export const oneBlock = (block: number): Mix => [{ block, weight: 1 }];

/** The mean of some blocks; one that is named twice counts twice. */
export function meanOf(blocks: readonly number[]): Mix {
  const uses = new Map<number, number>();
  for (const block of blocks) uses.set(block, (uses.get(block) ?? 0) + 1);
  return [...uses].map(([block, count]) => ({ block, weight: count / blocks.length }));
}

/** For records: by the number of each new block, what it is made of, "2·14 − 13" and the like. */
export function describeMixes(mixes: readonly BlockMix[], blocks: number): Record<string, Record<string, string>> {
  const half = (name: string, mix: HalfMix | undefined) =>
    mix ? [[name, `${inWords(mix.weights)}; norms ${inWords(mix.norms)}`] as const] : [];
  return Object.fromEntries(
    mixes.map(({ attention, ffn }, i) => [
      `${blocks + i}`,
      Object.fromEntries([...half("attention", attention), ...half("ffn", ffn)]),
    ]),
  );
}

function inWords(mix: Mix): string {
  const terms = mix.map(({ block, weight }, i) => {
    const size = Math.abs(weight) === 1 ? `${block}` : `${Math.abs(weight)}·${block}`;
    return i === 0 ? (weight < 0 ? `−${size}` : size) : weight < 0 ? ` − ${size}` : ` + ${size}`;
  });
  return terms.join("");
}

/** `checkpoint` with block config.blocks + i made of `mixes[i]`. `config` is that of `checkpoint`. */
export function mixBlocks(checkpoint: Checkpoint, config: ModelConfig, mixes: readonly BlockMix[]): EditedCheckpoint {
  const tensors = new Map<string, ComputedTensor | StoredTensor>();
  for (const [i, mix] of mixes.entries()) {
    for (const parameter of familyOf(config).block(config, config.blocks + i)) {
      const half = mix[parameter.half!];
      if (half === undefined) continue;
      const terms = parameter.part === "norm" ? half.norms : half.weights;
      tensors.set(parameter.name, mixTensor(checkpoint, config, parameter, terms));
    }
  }
  const like = mixes.map(({ attention, ffn }) => (attention ?? ffn)!.norms[0]!.block);
  return editedCheckpoint(checkpoint, { tensors, config: extendedConfig(checkpoint.config, config, like) });
}

function mixTensor(
  checkpoint: Checkpoint,
  config: ModelConfig,
  parameter: Parameter,
  mix: Mix,
): ComputedTensor | StoredTensor {
  const { rename } = familyOf(config);
  const terms = mix.map(({ block, weight }) => {
    const name = rename(parameter.name, parameter.block!, block);
    return { tensor: findTensor(checkpoint, { ...parameter, name }), weight };
  });
  const [only] = terms;
  if (terms.length === 1 && only!.weight === 1) return only!.tensor;
  return weightedSum(checkpoint, parameter.name, terms);
}

/** The config of a model with more blocks: attention of the i-th of them sees what that of block `like[i]` sees. */
export function extendedConfig(
  original: Readonly<Record<string, unknown>>,
  config: ModelConfig,
  like: readonly number[],
): Record<string, unknown> {
  const extended: Record<string, unknown> = { ...original };
  for (const [key, value] of Object.entries(original)) {
    // layer_types and the like: one entry a block.
    const listsBlocks = Array.isArray(value) && value.length === config.blocks && key.startsWith("layer");
    if (listsBlocks) extended[key] = [...value, ...like.map((block) => value[block])];
  }
  const blocks = config.blocks + like.length;
  Object.assign(extended, familyOf(config).counting(blocks, identitySteps(blocks)).keys);
  if (config.windows.some((window) => window !== undefined)) {
    extended.layer_types = [...config.windows.keys(), ...like].map((block) =>
      config.windows[block] === undefined ? "full_attention" : "sliding_attention",
    );
  }
  // What the model plays stays what it was, until a schedule names the new blocks.
  extended.refrain = { schedule: config.schedule ?? printSteps(identitySteps(config.blocks)) };
  return extended;
}
