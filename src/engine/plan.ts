/** Instructions → places and barriers. Buffers whose lives do not overlap share memory. */
import { type CacheType, cacheBytes, scratchBytes, TILE } from "./attention-layout.ts";
import { backwardPanelBytes, backwardScratchBytes } from "./backward/lower.ts";
import { isBackward } from "./backward/operations.ts";
import { type Barrier, barriers } from "./barriers.ts";
import type { Graph } from "./graph.ts";
import { parametersOf } from "./graph.ts";
import type { Buffer, Instruction } from "./instruction.ts";
import { lower } from "./lower.ts";
import { BLOCK, type Parameter, padded, parameterBytes, type StorageType, storageLayouts } from "./parameter.ts";
import { type WeightReuse, weightReuse } from "./weight-reuse.ts";

export interface PlanLimits {
  /** Most rows that one play may have. */
  readonly maxRows: number;
  /** Most rows of the tail: 1 where only the last logits are wanted. */
  readonly tailRows: number;
  /** Positions in the cache, of each sequence. */
  readonly context: number;
  /** Most sequences that one play may have; without it, one. */
  readonly sequences?: number;
  readonly threads: number;
  /** How keys and values are kept; without it, f32. */
  readonly cache?: CacheType;
}

export interface PlannedInstruction extends Instruction {
  readonly barrier: Barrier;
  readonly weights?: WeightReuse;
}

export interface Plan {
  readonly limits: PlanLimits;
  readonly instructions: readonly PlannedInstruction[];
  /** Offset of each buffer in the activations. */
  readonly offsets: ReadonlyMap<Buffer, number>;
  readonly outputs: ReadonlyMap<string, Buffer>;
  /** What the caller writes before a play. */
  readonly inputs: ReadonlyMap<string, Buffer>;
  /** Each once, however often it is played. */
  readonly parameters: readonly Parameter[];
  readonly weightBytes: number;
  readonly activationBytes: number;
  /** What plays add to, behind the activations: see `Buffer.lasting`. */
  readonly gradientBytes: number;
  /** What the activations would take without sharing of memory. */
  readonly unsharedActivationBytes: number;
  /** Offset of keys and of values of each cache slot. */
  readonly caches: readonly { readonly keys: number; readonly values: number }[];
  readonly cacheBytes: number;
  /** What attention works in: each thread's own, and records that threads exchange. */
  readonly scratchBytes: number;
  readonly scratchBytesPerThread: number;
  /** A thread's scratch for products of many rows: see `panelBytes`. */
  readonly panelBytes: number;
  /** Of a play of one row, the one at its end included. */
  readonly barriers: number;
}

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

export function plan(graph: Graph, storage: (parameter: Parameter) => StorageType, limits: PlanLimits): Plan {
  const cacheType = limits.cache ?? "f32";
  const instructions = lower(graph, storage, cacheType);
  // At least a row for each thread: see `Instruction.replicated`.
  const rows = (buffer: Buffer): number =>
    typeof buffer.rows === "number"
      ? buffer.rows
      : Math.max(limits.threads, buffer.rows === "all" ? limits.maxRows : limits.tailRows);
  const outputs = new Map<string, Buffer>();
  const inputs = new Map<string, Buffer>();
  const note = (buffer: Buffer): void => {
    if (buffer.output !== undefined) outputs.set(buffer.output, buffer);
    if (buffer.input !== undefined) inputs.set(buffer.input, buffer);
  };
  for (const { reads, writes } of instructions) {
    reads.forEach(note);
    writes.forEach(note);
  }
  const size = (buffer: Buffer): number => rows(buffer) * buffer.bytesPerRow;
  const { offsets, bytes, lasting, unshared } = allocate(instructions, inputs, outputs, (b) => align(size(b)));

  let allCaches = 0;
  const caches = graph.slots.map((shape) => {
    const half = align((limits.sequences ?? 1) * cacheBytes(cacheType, shape, limits.context));
    const keys = allCaches;
    allCaches += 2 * half;
    return { keys, values: keys + half };
  });
  const scratch = graph.slots.map((shape) => scratchBytes(shape, limits.context));
  const most = (sizes: readonly number[]): number => align(Math.max(0, ...sizes));
  const backward = graph.values.some(({ operation }) => isBackward(operation));
  const scratchBytesPerThread = most([
    ...scratch.map(({ thread }) => thread),
    backward ? backwardScratchBytes(limits.maxRows) : 0,
  ]);

  const named = new Map<string, Parameter>();
  for (const p of graph.values.flatMap(({ operation }) => parametersOf(operation))) named.set(p.name, p);
  const parameters = [...named.values()];
  const waits = barriers(instructions, offsets, size);
  const reuse = weightReuse(instructions, storage);
  const planned = instructions.map((instruction, i): PlannedInstruction => {
    const weights = reuse.get(i);
    return { ...instruction, barrier: waits[i]!, ...(weights && { weights }) };
  });
  return {
    limits,
    instructions: planned,
    offsets,
    outputs,
    inputs,
    parameters,
    weightBytes: parameters.reduce((sum, p) => sum + align(parameterBytes(p, storage(p))), 0),
    activationBytes: bytes,
    gradientBytes: lasting,
    unsharedActivationBytes: unshared,
    caches,
    cacheBytes: allCaches,
    scratchBytes:
      limits.threads * scratchBytesPerThread + (limits.threads > 1 ? most(scratch.map(({ shared }) => shared)) : 0),
    scratchBytesPerThread,
    panelBytes: Math.max(
      panelBytes(parameters, storage, limits.maxRows),
      backward ? align(backwardPanelBytes(limits.maxRows)) : 0,
    ),
    barriers: waits.filter(({ one }) => one).length + 1,
  };
}

/**
 * Bytes of a thread's scratch for products. Quantized: a panel of 16 rows of the widest matrix, 576 for each block of 32
 * columns, 640 with minima, and the sums before it (kernels/linear-integer.ts); floats: 64 for each row of activations
 * (kernels/linear-float.ts).
 */
function panelBytes(
  parameters: readonly Parameter[],
  storage: (parameter: Parameter) => StorageType,
  maxRows: number,
): number {
  const needs = parameters.map((p) => {
    if (p.kind === "vector") return 0;
    return storageLayouts[storage(p)].activations === "f32" ? 64 * maxRows : 128 + (padded(p.columns) / BLOCK) * 640;
  });
  return align(Math.max(0, ...needs));
}

/**
 * First fit over lifetimes: a buffer lives from the instruction that writes it to the last that reads it, and one more, so
 * that what follows without a barrier does not need one for its place. What is wanted in floats and in integers lives as one.
 * Behind all of them lies what lasts from play to play.
 */
function allocate(
  instructions: readonly Instruction[],
  inputs: ReadonlyMap<string, Buffer>,
  outputs: ReadonlyMap<string, Buffer>,
  size: (buffer: Buffer) => number,
): { offsets: Map<Buffer, number>; bytes: number; lasting: number; unshared: number } {
  const lastUse = new Map<Buffer, number>();
  for (const buffer of outputs.values()) lastUse.set(buffer, instructions.length);
  // From the end: the first use that is met is the last.
  for (let i = instructions.length - 1; i >= 0; i--) {
    const { reads, writes } = instructions[i]!;
    const use = (buffer: Buffer): number => {
      const last = lastUse.get(buffer) ?? i;
      lastUse.set(buffer, last);
      return last;
    };
    reads.forEach(use);
    const last = Math.max(...writes.map(use));
    for (const buffer of writes) lastUse.set(buffer, last);
  }
  const offsets = new Map<Buffer, number>();
  const kept = new Set<Buffer>();
  /** In order of `begin`. */
  const live: { begin: number; end: number; until: number; buffer: Buffer }[] = [];
  const endBefore = (index: number): number => (index === 0 ? 0 : live[index - 1]!.end);
  let bytes = 0;
  let unshared = 0;
  const place = (buffer: Buffer, i: number, inPlaceOf?: Buffer): void => {
    if (buffer.lasting) kept.add(buffer);
    if (buffer.lasting || offsets.has(buffer)) return;
    const length = size(buffer);
    unshared += length;
    const until = lastUse.get(buffer)!;
    const heir =
      inPlaceOf &&
      live.find((region) => region.buffer === inPlaceOf && region.until === i && region.end - region.begin === length);
    if (heir) {
      Object.assign(heir, { buffer, until });
      offsets.set(buffer, heir.begin);
      return;
    }
    const gap = live.findIndex((region, j) => region.begin - endBefore(j) >= length);
    const at = gap < 0 ? live.length : gap;
    const begin = endBefore(at);
    live.splice(at, 0, { begin, end: begin + length, until, buffer });
    offsets.set(buffer, begin);
    bytes = Math.max(bytes, begin + length);
  };
  // Inputs are there before the first instruction.
  for (const buffer of inputs.values()) place(buffer, 0);
  instructions.forEach(({ writes, inPlaceOf }, i) => {
    for (let j = live.length - 1; j >= 0; j--) if (live[j]!.until + 1 < i) live.splice(j, 1);
    for (const buffer of writes) place(buffer, i, inPlaceOf);
  });
  let lasting = 0;
  for (const buffer of kept) {
    offsets.set(buffer, bytes + lasting);
    lasting += size(buffer);
  }
  return { offsets, bytes, lasting, unshared };
}

/** The memory plan in words, as `--plan` prints it. */
export function describePlan(plan: Plan): string {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
  const { context, maxRows, threads, cache = "f32" } = plan.limits;
  return [
    `weights      ${mb(plan.weightBytes)}  ${plan.parameters.length} tensors, each once`,
    `caches       ${mb(plan.cacheBytes)}  ${plan.caches.length} played attentions × ${context} positions, ${cache}`,
    `activations  ${mb(plan.activationBytes)}  ${maxRows} rows at once; ${mb(plan.unsharedActivationBytes)} without reuse`,
    `scratch      ${mb(plan.scratchBytes)}  attention on ${threads === 1 ? "1 thread" : `${threads} threads`}, tiles of ${TILE} positions`,
    `panels       ${mb(threads * plan.panelBytes)}  ${threads} threads`,
    `program      ${plan.instructions.length} instructions, ${plan.barriers} barriers for a token`,
  ].join("\n");
}
