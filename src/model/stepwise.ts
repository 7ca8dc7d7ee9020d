/**
 * A model played one step at a time, from hidden states that the caller holds: what schedules that differ have in common
 * is then computed once. Whole sequences from position 0; nothing outlives a call but what it returns.
 *
 * A step is a graph of its own, from an input to an output, planned when it is needed and thrown away afterwards: that
 * takes a millisecond, where playing it takes many, and memory holds one step's activations and one cache slot. The
 * numbers are those of a session, to the bit.
 */
import { Graph } from "../engine/graph.ts";
import { plan } from "../engine/plan.ts";
import { LoadedProgram } from "../engine/wasm/loaded-program.ts";
import type { ParameterStore } from "../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../engine/wasm/player.ts";
import { hasAttention, hasFfn, type Step } from "../schedule/schedule.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { ropeTable } from "./rope.ts";

/** Rows that one play takes at most. */
const CHUNK = 128;

/** The residual stream of a sequence: [tokens, hiddenSize]. */
export type Hidden = Float32Array;

export class StepwisePlayer {
  private readonly player: WasmPlayer;
  private readonly store: ParameterStore;
  private readonly config: ModelConfig;
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
    const { config, table } = this;
    const width = config.hiddenSize;
    const family = familyOf(config);
    const g = new Graph();
    let x = g.input("x", width);
    if (hasAttention(step)) x = family.attention(g, x, config, step.block, table);
    if (hasFfn(step)) x = family.ffn(g, x, config, step.block);
    g.output("y", x);
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
