/**
 * How much the loss would change, to first order, if weights were zero: w · ∂L/∂w (Molchanov et al. 2019, arXiv 1906.10771,
 * eq. 6), of a block, of each of its groups of heads and of each of its hidden channels. L is the mean cross-entropy of the
 * calibration windows. Two ways to sum over the weights of a unit:
 *
 *   weights   Σ |w · ∂L/∂w| over all of them (LLM-Pruner, arXiv 2305.11627; Shortened LLaMA, arXiv 2402.02834)
 *   gate      |Σ w · ∂L/∂w| over those that carry the unit into the residual stream: what a factor before the unit would
 *             get as its gradient, that is, the change of the loss that the first order sees when the whole unit goes
 *
 * Gradients go through the weights as they are kept in memory, quantized or not, and are collected for as many blocks
 * at a time as a budget of memory allows.
 */
import { gradientName } from "../engine/autodiff.ts";
import type { Parameter } from "../engine/parameter.ts";
import { plan } from "../engine/plan.ts";
import { LoadedProgram } from "../engine/wasm/loaded-program.ts";
import type { ModelConfig } from "../model/config.ts";
import { familyOf } from "../model/families.ts";
import { ropeTable } from "../model/rope.ts";
import { trainingNetwork } from "../model/training-network.ts";
import { unitsOf, writesResidual } from "../model/width.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import { yieldToEvents } from "../yield.ts";
import type { Calibration } from "./method.ts";

export const importances = ["weights", "gate"] as const;

export interface BlockImportance {
  readonly block: number;
  readonly whole: number;
  /** [kv heads] */
  readonly heads: Float64Array;
  /** [hidden channels] */
  readonly channels: Float64Array;
}

export interface ImportanceOptions {
  readonly by: (typeof importances)[number];
  /** Bytes of gradients that are held at once; a block always is. */
  readonly budget?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Rows of one play. */
const BATCH = 512;

/** Of every block that the model's schedule plays, in ascending order; a block's plays are summed up. */
export async function importance(
  model: Model,
  calibration: Pick<Calibration, "tokens" | "window" | "windows">,
  { by, budget = 1 << 29, signal, onProgress }: ImportanceOptions,
): Promise<BlockImportance[]> {
  const { config, steps } = model;
  const blocks = [...new Set(steps.map(({ block }) => block))].sort((a, b) => a - b);
  const bytes = familyOf(config)
    .block(config, blocks[0]!)
    .reduce((sum, p) => sum + 4 * p.rows * p.columns, 0);
  const atOnce = Math.max(1, Math.floor(budget / bytes));
  const rounds = Math.ceil(blocks.length / atOnce);
  const found: BlockImportance[] = [];
  for (let round = 0; round < rounds; round++) {
    const wanted = new Set(blocks.slice(round * atOnce, (round + 1) * atOnce));
    const total = rounds * calibration.windows;
    const told: OnProgress = (progress) =>
      onProgress?.({ ...progress, done: round * calibration.windows + progress.done, total });
    found.push(...(await ofBlocks(model, wanted, calibration, by, signal, told)));
  }
  return found;
}

async function ofBlocks(
  model: Model,
  blocks: ReadonlySet<number>,
  { tokens, window, windows }: Pick<Calibration, "tokens" | "window" | "windows">,
  by: ImportanceOptions["by"],
  signal: AbortSignal | undefined,
  onProgress: OnProgress,
): Promise<BlockImportance[]> {
  const { config, steps } = model;
  const table = ropeTable(config.rope, config.headWidth, window);
  const wanted = (p: Parameter) =>
    p.block !== undefined && blocks.has(p.block) && (by === "weights" || writesResidual(p, config));
  const { graph, trained } = trainingNetwork(config, steps, { table, trained: wanted, recompute: true });
  const sequences = Math.max(1, Math.min(windows, Math.floor(BATCH / window)));
  const rows = sequences * window;
  const { player, store } = model.memory;
  const limits = { maxRows: rows, tailRows: rows, context: window, sequences, threads: player.threads };
  const program = new LoadedProgram(
    player,
    store,
    plan(graph, (p) => store.type(p), limits),
  );
  try {
    program.gradients.fill(0);
    for (let done = 0; done < windows; done += sequences) {
      signal?.throwIfAborted();
      const count = Math.min(sequences, windows - done);
      const read = tokens.slice(done * window, (done + count) * window);
      // The last token of a window predicts nothing.
      const targets = read.map((_, i) => ((i + 1) % window === 0 ? -1 : read[i + 1]!));
      program.play(read, 0, 0, targets, { sequences: count, share: count / windows });
      onProgress({ label: "gradients", done: done + count, total: windows, unit: "windows" });
      await yieldToEvents();
    }
    return [...blocks].map((block) => {
      const own = trained.filter((parameter) => parameter.block === block);
      return sumUp(config, block, own, by, (parameter) => ({
        weights: store.read(parameter),
        gradient: program.parameterOutput(gradientName(parameter), parameter),
      }));
    });
  } finally {
    program.dispose();
  }
}

/** From weights and gradients of a block's parameters, row-major, to what stands in the header. */
export function sumUp(
  config: ModelConfig,
  block: number,
  parameters: readonly Parameter[],
  by: ImportanceOptions["by"],
  read: (parameter: Parameter) => { readonly weights: Float32Array; readonly gradient: Float32Array },
): BlockImportance {
  const sums = { head: new Float64Array(config.kvHeads), channel: new Float64Array(config.ffnSize) };
  let whole = 0;
  for (const parameter of parameters) {
    const units = unitsOf(parameter, config);
    const { weights, gradient } = read(parameter);
    const { columns } = parameter;
    let own = 0;
    for (let i = 0; i < weights.length; i++) {
      const product = weights[i]! * gradient[i]!;
      const term = by === "weights" ? Math.abs(product) : product;
      own += term;
      if (units) sums[units.kind][units.of(units.axis === "rows" ? Math.floor(i / columns) : i % columns)]! += term;
    }
    whole += Math.abs(own);
  }
  return { block, whole, heads: sums.head.map(Math.abs), channels: sums.channel.map(Math.abs) };
}
