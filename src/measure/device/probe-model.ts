/**
 * Small models whose plans contain every kernel that the families use, so that what is measured is what is played: if the engine
 * joins two operations in one kernel tomorrow, that kernel stands in these plans too.
 */
import type { CacheType } from "../../engine/attention-layout.ts";
import {
  BLOCK,
  GROUP,
  type Parameter,
  parameterBytes,
  type StorageType,
  storageLayouts,
} from "../../engine/parameter.ts";
import type { ModelConfig } from "../../model/config.ts";
import { familyOf } from "../../model/families.ts";
import { planSession } from "../../model/session.ts";
import { identitySteps } from "../../schedule/schedule.ts";
import type { Planned } from "../work.ts";

export const matrixTypes = Object.keys(storageLayouts) as readonly StorageType[];
export const CONTEXT = 512;

const HEADS = 6;
const WIDTH = 64 * HEADS;
/** Bytes of the largest matrix for each thread: what the second cache of any processor holds. */
const SLICE = 131072;

/** Together they use every kernel; the first has what most models have. */
export const families = ["llama", "qwen3", "gpt2"] as const;

export interface ProbeModel extends Planned {
  readonly config: ModelConfig;
  readonly storage: (parameter: Parameter) => StorageType;
}

/** One block, or as many as have about so many `bytes` of weights. */
export function probeModel(
  family: (typeof families)[number],
  type: StorageType,
  threads: number,
  { bytes = 0, cache = "f32" }: { readonly bytes?: number; readonly cache?: CacheType } = {},
): ProbeModel {
  const isGpt2 = family === "gpt2";
  const groupBytes = (WIDTH / BLOCK) * storageLayouts[type].tileBytes;
  const one: ModelConfig = {
    modelType: family,
    vocabSize: 64,
    hiddenSize: WIDTH,
    embeddingSize: WIDTH,
    blocks: 1,
    heads: HEADS,
    kvHeads: isGpt2 ? HEADS : 2,
    headWidth: WIDTH / HEADS,
    // Of one block it must fit a cache, in pairs of groups, so that no row is padding; of many it is as usual.
    ffnSize: bytes > 0 ? 4 * WIDTH : 2 * GROUP * threads * Math.max(1, Math.floor(SLICE / groupBytes / 2)),
    feedForward: isGpt2 ? "gelu_new" : "swiglu",
    contextLength: CONTEXT,
    normEpsilon: 1e-5,
    tiedEmbeddings: true,
    rope: { theta: 10000, scaling: { kind: "none" } },
    windows: [undefined],
    bias: { qkv: isGpt2, output: isGpt2, ffn: isGpt2 },
    queryKeyNorm: family === "qwen3",
    bidirectional: false,
    tokenTypes: 0,
    schedule: undefined,
  };
  const storage = (parameter: Parameter) => (parameter.kind === "vector" ? "f32" : type);
  const outer = familyOf(one).outer(one);
  const block = familyOf(one).block(one, 0);
  const blocks = Math.max(1, Math.floor((bytes - weightBytes(outer, storage)) / weightBytes(block, storage)));
  const config: ModelConfig = { ...one, blocks, windows: Array.from({ length: blocks }, () => undefined) };
  // Caches of many blocks are not measured.
  const contextLength = blocks === 1 ? CONTEXT : 16;
  return { config, storage, ...planSession(config, identitySteps(blocks), storage, threads, { contextLength, cache }) };
}

function weightBytes(parameters: readonly Parameter[], storage: ProbeModel["storage"]): number {
  return parameters.reduce((sum, parameter) => sum + parameterBytes(parameter, storage(parameter)), 0);
}
