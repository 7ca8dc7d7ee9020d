/**
 * Small models whose plans contain every kernel that the families use, so that what is measured is what is played: if the engine
 * joins two operations in one kernel tomorrow, that kernel stands in these plans too.
 */
import { BLOCK, GROUP, type Parameter, type StorageType, storageLayouts } from "../../engine/parameter.ts";
import type { ModelConfig } from "../../model/config.ts";
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

export function probeModel(family: (typeof families)[number], type: StorageType, threads: number): ProbeModel {
  const isGpt2 = family === "gpt2";
  const groupBytes = (WIDTH / BLOCK) * storageLayouts[type].tileBytes;
  const config: ModelConfig = {
    modelType: family,
    vocabSize: 64,
    hiddenSize: WIDTH,
    blocks: 1,
    heads: HEADS,
    kvHeads: isGpt2 ? HEADS : 2,
    headWidth: WIDTH / HEADS,
    // Pairs of groups, so that no row is padding.
    ffnSize: 2 * GROUP * threads * Math.max(1, Math.floor(SLICE / groupBytes / 2)),
    contextLength: CONTEXT,
    normEpsilon: 1e-5,
    tiedEmbeddings: true,
    rope: { theta: 10000, scaling: { kind: "none" } },
    windows: [undefined],
    bias: { qkv: isGpt2, output: isGpt2, ffn: isGpt2 },
    queryKeyNorm: family === "qwen3",
    schedule: undefined,
  };
  const storage = (parameter: Parameter) => (parameter.kind === "vector" ? "f32" : type);
  return { config, storage, ...planSession(config, identitySteps(1), storage, threads) };
}
