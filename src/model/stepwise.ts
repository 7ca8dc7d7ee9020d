/**
 * A model played one step at a time, from hidden states that the caller holds: what schedules that differ have in common
 * is then computed once. Whole sequences from position 0; nothing outlives a call but what it returns.
 *
 * A step is a graph of its own, from an input to an output, planned when it is needed and thrown away afterwards: that
 * takes a millisecond, where playing it takes many, and memory holds one step's activations and one cache slot. The
 * numbers are those of a session, to the bit.
 */
import { Graph, type Value } from "../engine/graph.ts";
import type { Parameter } from "../engine/parameter.ts";
import { plan } from "../engine/plan.ts";
import { LoadedProgram } from "../engine/wasm/loaded-program.ts";
import type { ParameterStore } from "../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../engine/wasm/player.ts";
import { hasAttention, hasFfn, type Step } from "../schedule/schedule.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { ropeTable } from "./rope.ts";
import { writesResidual } from "./width.ts";

/** Rows that one play takes at most. */
const CHUNK = 128;

/** The residual stream of a sequence: [tokens, hiddenSize]. */
export type Hidden = Float32Array;

export interface NormalEquations {
  /** W, [hiddenSize, n]. */
  readonly weight: Parameter;
  /** [n, n] */
  readonly gram: Float32Array;
  /** [hiddenSize, n] */
  readonly cross: Float32Array;
}

export class StepwisePlayer {
  private readonly player: WasmPlayer;
  private readonly store: ParameterStore;
  readonly config: ModelConfig;
  private readonly context: number;
  private readonly table: ReturnType<typeof ropeTable>;

  /** `context`: the longest sequence, at most the model's own limit. */
  constructor(player: WasmPlayer, store: ParameterStore, config: ModelConfig, context: number) {
    this.player = player;
    this.store = store;
    this.config = config;
    this.context = context;
    this.table = ropeTable(config.rope, config.headWidth, context);
  }

  /** What the first step reads. */
  embed(tokens: readonly number[]): Hidden {
    const { config } = this;
    const g = new Graph();
    g.output("y", familyOf(config).embed(g, config));
    return this.with(g, (program) =>
      this.inChunks(tokens.length, config.hiddenSize, (begin, end) => {
        program.play(tokens.slice(begin, end), begin, 0);
        return program.output("y", end - begin);
      }),
    );
  }

  /** Plays a step on each of these sequences, one after another; what it leaves. Its weights stay near all the while. */
  step(step: Step, sequences: readonly Hidden[]): Hidden[] {
    const width = this.config.hiddenSize;
    const g = new Graph();
    g.output("y", this.record(g, step));
    return this.with(g, (program) =>
      sequences.map((hidden) =>
        this.inChunks(hidden.length / width, width, (begin, end) => {
          program.setInput("x", hidden.subarray(begin * width, end * width), width);
          program.play(new Int32Array(end - begin), begin, 0);
          return program.output("y", end - begin);
        }),
      ),
    );
  }

  /** A step from the graph's input "x" on; what it leaves. */
  private record(g: Graph, step: Step): Value {
    const { config, table } = this;
    const family = familyOf(config);
    let x = g.input("x", config.hiddenSize);
    if (hasAttention(step)) x = family.attention(g, x, config, step.block, table);
    if (hasFfn(step)) x = family.ffn(g, x, config, step.block);
    return x;
  }

  /**
   * For a half whose output matrix is W and reads z: over all rows of `sequences` the sums of w z zᵀ and of w (t - y) zᵀ, where y is
   * what the half leaves, t the same row of `targets`, and w = 1 / mean(t²), as the next norm will see it. Row-major.
   */
  normalEquations(half: Step, sequences: readonly Hidden[], targets: readonly Hidden[]): NormalEquations {
    const width = this.config.hiddenSize;
    const g = new Graph();
    const y = this.record(g, half);
    const { x: z, weight } = outputMap(g, this.config);
    const weighted = g.multiply(z, g.input("w", z.width));
    const missing = g.add(g.input("t", width), g.scale(y, -1));
    const square: Parameter = { ...weight, name: `${weight.name} zᵀz`, rows: z.width };
    const sum = (parameter: Parameter, dy: Value, x: Value) => {
      const plus = g.record({ kind: "gradientSum", parameter }, parameter.columns, parameter.rows);
      g.output(parameter.name, g.record({ kind: "linearWeight", dy, x, plus }, parameter.columns, parameter.rows));
    };
    sum(square, weighted, z);
    sum(weight, missing, weighted);
    return this.with(g, (program) => {
      program.gradients.fill(0);
      for (const [i, hidden] of sequences.entries()) {
        const target = targets[i]!;
        for (let begin = 0; begin < hidden.length; begin += CHUNK * width) {
          const end = Math.min(begin + CHUNK * width, hidden.length);
          const t = target.subarray(begin, end);
          program.setInput("x", hidden.subarray(begin, end), width);
          program.setInput("t", t, width);
          program.setInput("w", inverseSquares(t, width, z.width), z.width);
          program.play(new Int32Array((end - begin) / width), begin / width, 0);
        }
      }
      const read = (parameter: Parameter) => program.parameterOutput(parameter.name, parameter);
      return { weight, gram: read(square), cross: read(weight) };
    });
  }

  /** Of each sequence the loss at each position but the last, in nats: how well it predicts the token after it. */
  losses(tokens: readonly number[], sequences: readonly Hidden[]): Float32Array[] {
    const { config } = this;
    const width = config.hiddenSize;
    const g = new Graph();
    g.output("loss", g.crossEntropy(familyOf(config).head(g, g.input("x", width), config)));
    return this.with(g, (program) =>
      sequences.map((hidden) =>
        this.inChunks(tokens.length - 1, 1, (begin, end) => {
          program.setInput("x", hidden.subarray(begin * width, end * width), width);
          program.play(new Int32Array(end - begin), begin, 0, tokens.slice(begin + 1, end + 1));
          return program.output("loss", end - begin);
        }),
      ),
    );
  }

  private with<T>(graph: Graph, work: (program: LoadedProgram) => T): T {
    const { store, context, player } = this;
    const maxRows = Math.min(CHUNK, context);
    const limits = { maxRows, tailRows: maxRows, context, threads: player.threads };
    const program = new LoadedProgram(
      player,
      store,
      plan(graph, (parameter) => store.type(parameter), limits),
    );
    try {
      return work(program);
    } finally {
      program.dispose();
    }
  }

  /** Gathers [rows, width] from plays of at most CHUNK rows. */
  private inChunks(
    rows: number,
    width: number,
    play: (begin: number, end: number) => { readonly data: Float32Array; readonly stride: number },
  ): Float32Array {
    const out = new Float32Array(rows * width);
    for (let begin = 0; begin < rows; begin += CHUNK) {
      const end = Math.min(begin + CHUNK, rows);
      const { data, stride } = play(begin, end);
      for (let r = 0; r < end - begin; r++) out.set(data.subarray(r * stride, r * stride + width), (begin + r) * width);
    }
    return out;
  }
}

/** The map by which a half writes to the residual stream. */
function outputMap(g: Graph, config: ModelConfig): { readonly x: Value; readonly weight: Parameter } {
  for (const { operation } of g.values) {
    if (operation.kind === "linear" && writesResidual(operation.weight, config)) return operation;
  }
  throw new Error("no map writes to the residual stream");
}

/** For each row 1 / mean(t²), in `columns` columns; 0 where a row is. */
function inverseSquares(t: Float32Array, width: number, columns: number): Float32Array {
  const weights = new Float32Array((t.length / width) * columns);
  for (let row = 0; row < t.length / width; row++) {
    let squares = 0;
    for (const value of t.subarray(row * width, (row + 1) * width)) squares += value * value;
    weights.fill(squares > 0 ? width / squares : 0, row * columns, (row + 1) * columns);
  }
  return weights;
}
