/**
 * What a model costs, from its config and schedule alone: parameters, bytes, cache, operations. Nothing is loaded.
 * A parameter counts once where it is unique, and as often as it is played where it is effective.
 */
import { type CacheType, cacheBytesPerPosition } from "../engine/attention-layout.ts";
import { type Parameter, parameterBytes, type StorageType } from "../engine/parameter.ts";
import type { ModelConfig } from "../model/config.ts";
import { familyOf } from "../model/families.ts";
import { parametersPlayed, relaxedParameters } from "../model/network.ts";
import { hasAttention, hasFfn, type Steps } from "../schedule/schedule.ts";
import { effectiveDepth, kvSlots, uniqueDepth } from "../schedule/stats.ts";

export type Part = Parameter["part"];

export interface PartCost {
  readonly part: Part;
  readonly unique: number;
  /** Share of all unique parameters. */
  readonly share: number;
  readonly effective: number;
}

export interface Cost {
  readonly parts: readonly PartCost[];
  readonly uniqueParameters: number;
  readonly effectiveParameters: number;
  readonly uniqueDepth: number;
  readonly effectiveDepth: number;
  readonly blocksStored: number;
  /** The embedding serves as output projection too. */
  readonly tiedEmbeddings: boolean;
  /** Bytes in memory with all matrices in one type, padding included. */
  readonly bytes: Readonly<Record<Exclude<StorageType, "q4_1">, number>>;
  /** Bytes that the cache grows by with each token, as each choice of --cache keeps it. */
  readonly kvBytesPerToken: Readonly<Record<CacheType, number>>;
  readonly kvSlots: number;
  /** Floating-point operations for one token: two for each weight that is multiplied, attention apart. */
  readonly flopsPerToken: number;
  /** Further operations for each position that attention looks at, where no window limits it; see `decodeFlops`. */
  readonly attentionFlopsPerPosition: number;
}

export const parameterCount = ({ rows, columns }: Parameter): number => rows * columns;

const parts: readonly Part[] = ["embedding", "projection", "positions", "attention", "ffn", "norm", "head"];

export function modelCost(config: ModelConfig, steps: Steps): Cost {
  const stored = parametersPlayed(config, steps);
  const family = familyOf(config);
  const outer = family.outer(config);
  const played = [
    ...outer,
    ...steps.flatMap((step) =>
      family.block(config, step.block).filter((p) => (p.half === "attention" ? hasAttention(step) : hasFfn(step))),
    ),
    ...relaxedParameters(config, steps),
  ];
  const sum = (parameters: readonly Parameter[]) => parameters.reduce((n, p) => n + parameterCount(p), 0);
  const of = (parameters: readonly Parameter[], part: Part) => sum(parameters.filter((p) => p.part === part));
  const uniqueParameters = sum(stored);
  const bytes = (type: StorageType) => stored.reduce((n, p) => n + parameterBytes(p, type), 0);

  // Looking a row up multiplies nothing; projecting onto the vocabulary multiplies the whole table.
  const multiplied = played.filter((p) => p.kind === "matrix" && p.part !== "embedding" && p.part !== "positions");
  const projection = config.tiedEmbeddings ? config.vocabSize * config.embeddingSize : 0;
  // An encoder keeps nothing from play to play: its attentions work in one cache, one after another.
  const slots = config.bidirectional ? Math.min(1, kvSlots(steps)) : kvSlots(steps);
  const kvBytes = (type: CacheType) => slots * 2 * cacheBytesPerPosition(type, config);
  return {
    parts: parts
      .map((part) => ({
        part,
        unique: of(stored, part),
        share: of(stored, part) / uniqueParameters,
        effective: of(played, part),
      }))
      .filter(({ unique }) => unique > 0),
    uniqueParameters,
    effectiveParameters: sum(played),
    uniqueDepth: uniqueDepth(steps),
    effectiveDepth: effectiveDepth(steps),
    blocksStored: new Set(steps.map(({ block }) => block)).size,
    tiedEmbeddings: config.tiedEmbeddings,
    bytes: { f32: bytes("f32"), f16: bytes("f16"), q8: bytes("q8"), q4: bytes("q4") },
    kvBytesPerToken: { f32: kvBytes("f32"), q8: kvBytes("q8") },
    kvSlots: slots,
    flopsPerToken: 2 * (sum(multiplied) + projection),
    attentionFlopsPerPosition: kvSlots(steps) * attentionFlops(config),
  };
}

/** Of one played attention for each position that it looks at: a product of the query with its key, and one with its value. */
const attentionFlops = (config: ModelConfig): number => 4 * config.heads * config.headWidth;

/** Operations for the token at `position`, attention included: to itself and all before it, as far as windows reach. */
export function decodeFlops(config: ModelConfig, steps: Steps, position: number): number {
  const seen = steps
    .filter(hasAttention)
    .reduce((sum, { block }) => sum + Math.min(position + 1, config.windows[block] ?? Number.POSITIVE_INFINITY), 0);
  return modelCost(config, steps).flopsPerToken + seen * attentionFlops(config);
}
