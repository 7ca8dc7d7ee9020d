/**
 * Low-rank adapters (LoRA: Hu et al. 2021, arXiv 2106.09685, eq. 3) of a frozen model's linear maps:
 *
 *   y = W x + b + s · B A x,   A: [rank, inputs], B: [outputs, rank], s = alpha / rank
 *
 * A pair belongs to a weight, wherever a schedule plays it; or, in relaxed recursive sharing (Bae et al. 2024, arXiv 2410.20672),
 * to a weight and a step, so that plays of one shared block differ by their adapters. Not here: files (weights/peft.ts), and
 * values to begin with (adapter-values.ts).
 */
import type { Graph } from "../engine/graph.ts";
import { graphView } from "../engine/graph-view.ts";
import type { Parameter } from "../engine/parameter.ts";
import type { Steps } from "../schedule/schedule.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";

/** Which linear maps of a block have adapters. */
export type AdaptedModules = "attention" | "ffn" | "all";

export interface AdapterPair {
  /** The adapted weight. */
  readonly weight: Parameter;
  /** The step that the pair belongs to; absent: every step that plays the weight. */
  readonly step?: number;
  /** [rank, weight.columns] */
  readonly a: Parameter;
  /** [weight.rows, rank] */
  readonly b: Parameter;
}

export interface Adapter {
  /** What it is chosen by where a model has several; part of its parameters' names. */
  readonly name: string;
  readonly rank: number;
  /** s = alpha / rank. */
  readonly alpha: number;
  readonly pairs: readonly AdapterPair[];
}

export interface AdapterShape {
  readonly name?: string;
  readonly rank: number;
  /** Without it, the rank: s = 1. */
  readonly alpha?: number;
  readonly modules: AdaptedModules;
  /** A pair for each step instead of each weight. */
  readonly perStep?: boolean;
}

export const adapterScale = ({ alpha, rank }: Pick<Adapter, "alpha" | "rank">): number => alpha / rank;

/** An adapter of the linear maps that `steps` play. */
export function createAdapter(config: ModelConfig, steps: Steps, shape: AdapterShape): Adapter {
  const { name = "default", rank, alpha = rank, modules, perStep = false } = shape;
  const pairs = new Map<string, AdapterPair>();
  steps.forEach(({ block, part }, step) => {
    for (const weight of familyOf(config).block(config, block)) {
      const plays = part === "block" || part === weight.half;
      if (!plays || !isLinear(weight) || (modules !== "all" && weight.half !== modules)) continue;
      const pair = adapterPair(name, weight, rank, perStep ? step : undefined);
      pairs.set(pair.a.name, pair);
    }
  });
  return { name, rank, alpha, pairs: [...pairs.values()] };
}

/** Matrices of a block are its linear maps. */
export const isLinear = (parameter: Parameter): boolean => parameter.kind === "matrix" && parameter.block !== undefined;

/** `model.layers.3.mlp.up_proj.weight` → `model.layers.3.mlp.up_proj`, what PEFT calls a module. */
export const moduleOf = (weight: Parameter): string => weight.name.replace(/\.weight$/, "");

export function adapterPair(name: string, weight: Parameter, rank: number, step?: number): AdapterPair {
  const { part, block, half } = weight;
  const own = { kind: "matrix", part, ...(block === undefined ? {} : { block }), ...(half && { half }) } as const;
  const at = `${moduleOf(weight)}${step === undefined ? "" : `.step_${step}`}`;
  return {
    weight,
    ...(step === undefined ? {} : { step }),
    a: { ...own, name: `${at}.lora_A.${name}.weight`, rows: rank, columns: weight.columns },
    b: { ...own, name: `${at}.lora_B.${name}.weight`, rows: weight.rows, columns: rank },
  };
}

/** Every parameter of an adapter. */
export const adapterParameters = ({ pairs }: Adapter): readonly Parameter[] => pairs.flatMap(({ a, b }) => [a, b]);

/** The graph as step `step` (undefined: the head) records it: linear maps that have an adapter there get it. */
export function withAdapter(graph: Graph, adapter: Adapter | undefined, step: number | undefined): Graph {
  if (!adapter) return graph;
  const own = adapter.pairs.filter((pair) => pair.step === undefined || pair.step === step);
  const pairs = new Map(own.map((pair) => [pair.weight.name, pair]));
  return graphView(graph, {
    linear(x, weight, bias) {
      const y = graph.linear(x, weight, bias);
      const pair = pairs.get(weight.name);
      if (!pair) return y;
      // The factor goes to where the rank makes it cheap; the addition does its work within the product with B.
      const low = graph.linear(x, pair.a);
      const scale = adapterScale(adapter);
      return graph.add(y, graph.linear(scale === 1 ? low : graph.scale(low, scale), pair.b));
    },
  });
}
