/** What training a graph will take of memory: known, and said in words, before any is taken. */
import { gradientName } from "../engine/autodiff.ts";
import type { Graph } from "../engine/graph.ts";
import type { Parameter, StorageType } from "../engine/parameter.ts";
import { type Plan, plan } from "../engine/plan.ts";
import { programBytes } from "../engine/program.ts";
import { inputError } from "../errors.ts";
import { adamwBytes } from "./adamw.ts";
import { muonBytes } from "./muon.ts";

export interface LearnerLimits {
  /** Most sequences of one play. */
  readonly sequences: number;
  /** Tokens of a sequence. */
  readonly length: number;
  readonly threads: number;
  /** How frozen matrices are kept; without it as f32, as trained ones always are. */
  readonly storage?: (parameter: Parameter) => StorageType;
  /** Without it AdamW. */
  readonly optimizer?: "adamw" | "muon";
}

/** Bytes, by what they are for. */
export interface LearnerMemory {
  /** Of all parameters, trained or frozen, each once. */
  readonly weights: number;
  readonly gradients: number;
  /** AdamW: two moments for each trained number. Muon: one for those that are its own, and what it orthogonalizes a matrix in. */
  readonly optimizer: number;
  readonly activations: number;
  /** Keys and values. */
  readonly caches: number;
  /** What kernels work in, rotary tables, tokens and programs. */
  readonly working: number;
  /** What the JavaScript engine takes for the kernels and for each thread besides the first: measured, not known. */
  readonly runtime: number;
  readonly total: number;
}

/** Under Node 20: compiled kernels; a worker's heap and stacks. */
const RUNTIME = { kernels: 2e6, worker: 10e6 };

export interface LearnerPlan {
  readonly limits: LearnerLimits;
  readonly plan: Plan;
  /** The parameters that have a gradient, in the order in which the backward pass comes to them. */
  readonly trained: readonly Parameter[];
  readonly memory: LearnerMemory;
  /** Tokens, and targets, are less than these. */
  readonly classes: { readonly tokens: number; readonly targets: number };
}

/** Plans a graph whose outputs are `loss` and the gradients of what is trained (`differentiate` makes it so). */
export function planLearner(graph: Graph, limits: LearnerLimits): LearnerPlan {
  const { sequences, length, threads, storage = () => "f32" as const } = limits;
  const trained = graph.values.flatMap(({ operation: op }) => (op.kind === "gradientSum" ? [op.parameter] : []));
  if (!graph.outputs.has("loss") || trained.length === 0)
    throw new Error("planLearner: the graph has no loss to train");
  const names = new Set(trained.map(gradientName));
  const kept = (p: Parameter) => (p.kind === "vector" || names.has(gradientName(p)) ? "f32" : storage(p));
  const rows = sequences * length;
  const classes = { tokens: Number.POSITIVE_INFINITY, targets: Number.POSITIVE_INFINITY };
  let positions = Number.POSITIVE_INFINITY;
  const tables = new Set<Float32Array>();
  for (const { operation: op } of graph.values) {
    if (op.kind === "embed" && op.indices === "tokens") classes.tokens = Math.min(classes.tokens, op.table.rows);
    else if (op.kind === "embed" && op.indices === "positions") positions = Math.min(positions, op.table.rows);
    else if (op.kind === "crossEntropy") classes.targets = Math.min(classes.targets, op.logits.width);
    else if (op.kind === "rope") {
      tables.add(op.table.cosines).add(op.table.sines);
      positions = Math.min(positions, (2 * op.table.cosines.length) / op.headWidth);
    }
  }
  if (length > positions) throw new Error(`planLearner: sequences of ${length} in a graph for ${positions} positions`);
  const planned = plan(graph, kept, { maxRows: rows, tailRows: rows, context: length, sequences, threads });
  const parts = {
    weights: planned.weightBytes,
    gradients: planned.gradientBytes,
    optimizer: limits.optimizer === "muon" ? muonBytes(trained, threads) : adamwBytes(trained),
    activations: planned.activationBytes,
    caches: planned.cacheBytes,
    working:
      planned.scratchBytes +
      threads * planned.panelBytes +
      [...tables].reduce((sum, table) => sum + table.byteLength, 0) +
      2 * rows * 4 +
      programBytes(planned),
    runtime: RUNTIME.kernels + (threads - 1) * RUNTIME.worker,
  };
  const total = Object.values(parts).reduce((sum, bytes) => sum + bytes, 0);
  return { limits, plan: planned, trained, memory: { ...parts, total }, classes };
}

/** The memory plan in words, to be printed before anything is taken. */
export function describeLearner({ limits, plan, trained, memory }: LearnerPlan): string {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(2)} MB`;
  const { sequences, length, threads } = limits;
  return [
    `weights      ${mb(memory.weights)}  ${plan.parameters.length} tensors, each once; ${trained.length} of them are trained`,
    `gradients    ${mb(memory.gradients)}`,
    `optimizer    ${mb(memory.optimizer)}  ${limits.optimizer === "muon" ? "a moment for each number of attention and feed-forwards, two for others" : "two moments for each trained number"}`,
    `activations  ${mb(memory.activations)}  ${sequences} × ${length} tokens at once; ${mb(plan.unsharedActivationBytes)} without reuse`,
    `caches       ${mb(memory.caches)}  keys and values`,
    `working      ${mb(memory.working)}  ${threads === 1 ? "1 thread" : `${threads} threads`}`,
    `runtime      ${mb(memory.runtime)}  the JavaScript engine's, about`,
    `in all       ${mb(memory.total)}`,
  ].join("\n");
}

/** Throws `too-large` where the learner cannot be held; `availableMemory` is what the system can still give, in bytes. */
export function refuseLearnerIfTooLarge(
  { limits, memory }: LearnerPlan,
  availableMemory: number,
  help = "Play fewer sequences at once and accumulate more often, recompute activations, or freeze parameters.",
): void {
  const addressSpace = 2 ** 32;
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
  const what = `training ${limits.sequences} × ${limits.length} tokens at once takes ${gb(memory.total)}`;
  if (memory.total - memory.runtime > addressSpace) {
    throw inputError("too-large", `${what}, more than the ${gb(addressSpace)} that WebAssembly can address`, help);
  }
  if (memory.total > availableMemory) {
    throw inputError("too-large", `${what}, more than the ${gb(availableMemory)} of memory that are free`, help);
  }
}
