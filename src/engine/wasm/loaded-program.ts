/** A planned graph with memory of its own, ready to be played: activations, caches, tables and the program. */
import { failure } from "../../errors.ts";
import type { RopeTable } from "../graph.ts";
import type { Buffer } from "../instruction.ts";
import { GROUP, type Parameter, padded } from "../parameter.ts";
import type { Plan } from "../plan.ts";
import { encode, programBytes } from "../program.ts";
import type { ParameterStore } from "./parameter-store.ts";
import type { Batch, WasmPlayer } from "./player.ts";

export interface PlayOptions extends Batch {
  /** Plays no further than to this output. */
  readonly until?: string;
}

export class LoadedProgram {
  readonly plan: Plan;
  private readonly player: WasmPlayer;
  private readonly regions: number[] = [];
  private readonly program: number;
  private readonly activations: number;
  private readonly tokens: number;
  private readonly targets: number;
  private disposed = false;

  constructor(player: WasmPlayer, store: ParameterStore, plan: Plan) {
    this.player = player;
    this.plan = plan;
    const { maxRows } = plan.limits;
    const take = (bytes: number, what: string): number => {
      const address = player.allocate(bytes, what);
      this.regions.push(address);
      return address;
    };
    try {
      this.activations = take(plan.activationBytes + plan.gradientBytes, "activations and gradients");
      this.tokens = take(maxRows * 4, "tokens");
      this.targets = take(maxRows * 4, "targets");
      const caches = take(plan.cacheBytes, `cache of ${plan.limits.context} positions`);
      const scratch = take(plan.scratchBytes, "scratch of attention");
      const panels = take(plan.limits.threads * plan.panelBytes, "panels");
      const tables = new Map<Float32Array, number>();
      const words = encode(
        plan,
        {
          activations: this.activations,
          tokens: this.tokens,
          targets: this.targets,
          caches,
          scratch,
          panels,
          parameter: (parameter) => store.address(parameter),
          table: (table: RopeTable, half) => {
            const values = table[half];
            let address = tables.get(values);
            if (address === undefined) {
              address = take(values.byteLength, "rotary table");
              player.floats(address, values.length).set(values);
              tables.set(values, address);
            }
            return address;
          },
        },
        (kernel) => player.opcode(kernel),
      );
      this.program = take(programBytes(plan), "program");
      player.integers(this.program, words.length).set(words);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /**
   * Plays the program on `tokens` at `position`. The tail begins at row `tail`; `targets`, where the graph has a loss,
   * hold one token for each of its rows. Several sequences of equal length stand one behind the other.
   */
  play(
    tokens: ArrayLike<number>,
    position: number,
    tail: number,
    targets?: ArrayLike<number>,
    options: PlayOptions = {},
  ): void {
    const { maxRows, tailRows, context, sequences: most = 1 } = this.plan.limits;
    const { sequences = 1, until } = options;
    const rows = tokens.length;
    if (this.disposed) throw failure("disposed", "this session was disposed of");
    if (
      rows < 1 ||
      rows > maxRows ||
      tail < 0 ||
      rows - tail > tailRows ||
      sequences > most ||
      rows % sequences !== 0 ||
      position + rows / sequences > context
    ) {
      const what = `${rows} rows in ${sequences} sequences at ${position}, tail ${tail}`;
      throw new Error(`play: ${what}, exceed ${JSON.stringify(this.plan.limits)}`);
    }
    this.player.integers(this.tokens, rows).set(tokens);
    if (targets) this.player.integers(this.targets, targets.length).set(targets);
    this.player.integers(this.program, 1)[0] = this.instructionsUntil(until);
    this.player.play(this.program, rows, position, tail, options);
  }

  private instructionsUntil(name: string | undefined): number {
    const { instructions } = this.plan;
    if (name === undefined) return instructions.length;
    return 1 + instructions.findLastIndex(({ writes }) => writes.includes(this.buffer(name)));
  }

  private buffer(name: string): Buffer {
    const buffer = this.plan.outputs.get(name);
    if (!buffer) throw new Error(`no output ${name}`);
    return buffer;
  }

  /** Where an output lies. */
  address(name: string): number {
    return this.activations + this.plan.offsets.get(this.buffer(name))!;
  }

  /** Writes the rows of an input for the next play; `rows` is [rows, width] without padding. */
  setInput(name: string, rows: Float32Array, width: number): void {
    const buffer = this.plan.inputs.get(name);
    if (!buffer) throw new Error(`no input ${name}`);
    const stride = buffer.bytesPerRow / 4;
    const count = rows.length / width;
    const target = this.player.floats(this.activations + this.plan.offsets.get(buffer)!, count * stride);
    for (let r = 0; r < count; r++) {
      target.set(rows.subarray(r * width, (r + 1) * width), r * stride);
      target.fill(0, r * stride + width, (r + 1) * stride);
    }
  }

  /** The first `rows` rows of an output, each padded to `stride` floats; a view that the next play overwrites. */
  output(name: string, rows: number): { readonly data: Float32Array; readonly stride: number } {
    const stride = this.buffer(name).bytesPerRow / 4;
    return { data: this.player.floats(this.address(name), rows * stride), stride };
  }

  /** An output that lies as the f32 weights of `parameter` do, such as its gradient: row-major [rows, columns], a copy. */
  parameterOutput(name: string, parameter: Parameter): Float32Array {
    const { rows, columns, kind } = parameter;
    const K = padded(columns);
    const { data } = this.output(name, kind === "vector" ? 1 : padded(rows));
    if (kind === "vector") return data.slice(0, columns);
    const out = new Float32Array(rows * columns);
    for (let r = 0; r < rows; r++) {
      const group = Math.floor(r / GROUP) * GROUP * K + (r % GROUP);
      for (let c = 0; c < columns; c++) out[r * columns + c] = data[group + c * GROUP]!;
    }
    return out;
  }

  /** All gradients that plays have added up: what an optimizer reads, and makes zero again. */
  get gradients(): Float32Array {
    return this.player.floats(this.activations + this.plan.activationBytes, this.plan.gradientBytes / 4);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    for (const address of this.regions) this.player.free(address);
  }
}
