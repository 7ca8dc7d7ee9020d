/**
 * The graphs by which each kernel is measured: the same operation several times over, on the same small operands, every result kept,
 * so that no barrier stands between. What the kernels' time depends on is shapes, not numbers.
 */
import { Graph, type RopeTable, type Value } from "../../engine/graph.ts";
import { BLOCK, GROUP, type Parameter, type StorageType, storageLayouts } from "../../engine/parameter.ts";

/** A width that has whole heads, and whole blocks of every format. */
export const WIDTH = 768;
const HEAD = 64;
const HEADS = WIDTH / HEAD;
const KV_HEADS = 4;
/** Bytes of a matrix that one thread multiplies with one row: what the first cache holds. */
const FIRST_CACHE = 32768;
/** Groups of 16 weight rows a thread, where there are many rows of activations. */
const MANY_GROUPS = 12;

export interface KernelProgram {
  /** Under which name the profile keeps the rate. */
  readonly name: string;
  readonly graph: Graph;
  /** What one row of all copies together does: multiply–adds of linear maps, else elements. */
  readonly workPerRow: number;
}

export const matrixTypes = Object.keys(storageLayouts) as readonly StorageType[];

const matrix = (name: string, rows: number, columns = WIDTH): Parameter => ({
  name,
  kind: "matrix",
  rows,
  columns,
  part: "ffn",
});
const vector = (name: string, columns: number): Parameter => ({ name, kind: "vector", rows: 1, columns, part: "norm" });

const table = matrix("table", GROUP);
const norm = vector("norm", WIDTH);
const bias = vector("bias", WIDTH);
const headNorm = vector("head norm", HEAD);

/** Quantized copies are made by an instruction of their own where a sum is what a linear map reads. */
export const elementKernels = ["rmsNorm", "layerNorm", "headNorm", "rope", "swiglu", "gelu", "add"] as const;

/** A linear map of `type`, for one row or many. */
export function linearProgram(type: StorageType, threads: number, many: boolean): KernelProgram {
  const groupBytes = (WIDTH / BLOCK) * storageLayouts[type].tileBytes;
  const groups = many ? MANY_GROUPS : Math.max(1, Math.floor(FIRST_CACHE / groupBytes));
  const weight = matrix(type, 2 * GROUP * Math.ceil((groups * threads) / 2));
  const copies = many ? 2 : 128;
  const graph = copiesOf(copies, (g, x) => g.linear(x, weight));
  return { name: type, graph, workPerRow: copies * weight.rows * weight.columns };
}

export function elementProgram(name: (typeof elementKernels)[number], many: boolean): KernelProgram {
  const copies = many ? 4 : 64;
  const rope = ropeTable(512);
  const operation: Record<typeof name, (g: Graph, x: Value) => Value> = {
    rmsNorm: (g, x) => g.rmsNorm(x, norm, 1e-5),
    layerNorm: (g, x) => g.layerNorm(x, norm, bias, 1e-5),
    headNorm: (g, x) => g.headNorm(x, headNorm, HEADS, 1e-5),
    rope: (g, x) => g.rope(x, HEADS, HEAD, rope),
    swiglu: (g, x) => g.swiglu(x, x),
    gelu: (g, x) => g.gelu(x),
    add: (g, x) => g.add(x, x),
  };
  return { name, graph: copiesOf(copies, operation[name]), workPerRow: copies * WIDTH };
}

export const ATTENTION_CONTEXT = 512;
const ATTENTIONS = 2;

/** Attentions whose keys are turned on their way to the cache. Its time grows with the position by `attentionWork`. */
export function attentionProgram(): KernelProgram {
  const rope = ropeTable(ATTENTION_CONTEXT);
  const graph = copiesOf(ATTENTIONS, (g, x) => {
    const k = g.rope(g.columns(x, 0, KV_HEADS * HEAD), KV_HEADS, HEAD, rope);
    const v = g.columns(x, 0, KV_HEADS * HEAD);
    return g.attention(x, k, v, { heads: HEADS, kvHeads: KV_HEADS, headWidth: HEAD });
  });
  return { name: "attention", graph, workPerRow: ATTENTIONS * WIDTH };
}

/** Multiply–adds of one more position, for one row: of the query with its key, of the weight with its value. */
export const attentionWork = ATTENTIONS * 2 * WIDTH;

function copiesOf(copies: number, operation: (g: Graph, x: Value) => Value): Graph {
  const g = new Graph();
  const x = g.embed(table);
  for (let i = 0; i < copies; i++) g.output(`copy ${i}`, operation(g, x));
  return g;
}

function ropeTable(positions: number): RopeTable {
  const half = () => new Float32Array((positions * HEAD) / 2).fill(0.5);
  return { cosines: half(), sines: half() };
}
