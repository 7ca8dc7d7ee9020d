/**
 * Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for the matrices of attention and feed-forwards, AdamW for all else. A step is the
 * momentum's nearest orthogonal matrix, roughly: all its directions count alike, however rarely a gradient has them. It is scaled so that
 * its elements are as large as AdamW's usually are, 0.2 in the root mean square, so that both have one rate (Liu et al. 2025, arXiv
 * 2502.16982, equation 4). Matrices are orthogonalized one after another, in the same memory (engine/wasm/kernels/muon.ts), by all threads.
 */
import { type Parameter, padded, parameterBytes } from "../engine/parameter.ts";
import { type Call, callBytes, encodeCalls } from "../engine/program.ts";
import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../engine/wasm/player.ts";
import { isRecurrent } from "../model/recurrence.ts";
import {
  AdamW,
  type AdamWOptions,
  adamwBytes,
  type Gradients,
  type Moments,
  sumBytes,
  type TrainedPart,
} from "./adamw.ts";

/** How much of the running mean a step keeps. */
const MOMENTUM = 0.95;
/** Of the polynomial a x + b x³ + c x⁵, steep at 0: five rounds bring singular values from 0.01 to about 1 (Jordan's). */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const ROUNDS = 5;
/** The least that a momentum is divided by. */
const LEAST = 1e-7;
/** The root mean square of AdamW's steps. */
const SIZE = 0.2;
/** The calls for one matrix. */
const CALLS = 4 + 3 * ROUNDS;

/** What Muon moves: the maps in the blocks. Tables, the projection to the vocabulary, norms and biases are AdamW's. */
export const isMuons = (parameter: Parameter): boolean =>
  parameter.kind === "matrix" &&
  (parameter.part === "attention" || parameter.part === "ffn") &&
  !isRecurrent(parameter);

/** A matrix as it is orthogonalized, lying down: n ≤ K, both padded. */
function lying({ rows, columns }: Parameter): { readonly n: number; readonly K: number; readonly lies: boolean } {
  const [N, M] = [padded(rows), padded(columns)];
  return { n: Math.min(N, M), K: Math.max(N, M), lies: N < M };
}

/** What all matrices are orthogonalized in, in bytes. */
function workBytes(matrices: readonly Parameter[], threads: number) {
  const sizes = matrices.map(lying);
  const most = (of: (size: ReturnType<typeof lying>) => number) => Math.max(0, ...sizes.map(of));
  const x = most(({ n, K }) => n * K * 4);
  const square = most(({ n }) => n * n * 4);
  const panel = most(({ n, K }) => (n + K) * 64);
  return { x, square, panel, all: x + 2 * square + threads * panel + sumBytes(x / 4) };
}

/** Bytes that the optimizer of these parameters takes, before it does. */
export function muonBytes(trained: readonly Parameter[], threads: number): number {
  const matrices = trained.filter(isMuons);
  const moments = matrices.reduce((sum, parameter) => sum + parameterBytes(parameter, "f32"), 0);
  const rest = adamwBytes(trained.filter((parameter) => !isMuons(parameter)));
  // AdamW sums the squares of all gradients.
  return rest + moments + sumBytes(moments / 4) + workBytes(matrices, threads).all + callBytes(CALLS * matrices.length);
}

const momentum = (parameter: Parameter): Parameter => ({ ...parameter, name: `momentum of ${parameter.name}` });

export class Muon {
  private readonly player: WasmPlayer;
  private readonly options: AdamWOptions;
  private readonly parts: readonly (TrainedPart & { readonly momentum: number })[];
  /** Of all that is not Muon's. */
  private readonly rest: AdamW;
  private readonly moments: ParameterStore;
  private readonly regions: number[] = [];
  private readonly x: number;
  private readonly squares: readonly [number, number];
  private readonly sums: number;
  private readonly panels: number;
  private readonly panelBytes: number;
  private readonly program: number;

  constructor(player: WasmPlayer, parts: readonly TrainedPart[], gradients: Gradients, options: AdamWOptions) {
    this.player = player;
    this.options = options;
    this.moments = new ParameterStore(player);
    const own = parts.filter(({ parameter }) => isMuons(parameter));
    const others = parts.filter(({ parameter }) => !isMuons(parameter));
    this.rest = new AdamW(player, others, gradients, options);
    const take = (bytes: number): number => {
      const address = player.allocate(bytes, "what matrices are orthogonalized in");
      this.regions.push(address);
      return address;
    };
    try {
      this.parts = own.map((part) => {
        const parameter = momentum(part.parameter);
        this.moments.reserve(parameter, "f32");
        return { ...part, momentum: this.moments.address(parameter) };
      });
      const bytes = workBytes(
        own.map(({ parameter }) => parameter),
        player.threads,
      );
      this.panelBytes = bytes.panel;
      this.x = take(bytes.x);
      this.squares = [take(bytes.square), take(bytes.square)];
      this.sums = take(sumBytes(bytes.x / 4));
      this.panels = take(player.threads * bytes.panel);
      this.program = take(callBytes(CALLS * own.length));
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  get steps(): number {
    return this.rest.steps;
  }

  set steps(steps: number) {
    this.rest.steps = steps;
  }

  gradientNorm(): number {
    return this.rest.gradientNorm();
  }

  /** One step with the gradients times `scale`; they are zero afterwards. */
  step(rate: number, scale: number): void {
    this.rest.step(rate, scale);
    const calls = this.parts.flatMap((part) => this.calls(part, rate, scale));
    const words = encodeCalls(calls, (kernel) => this.player.opcode(kernel));
    this.player.integers(this.program, words.length).set(words);
    this.player.play(this.program, 1, 0, 0);
  }

  readMoments(parameter: Parameter): Moments {
    return isMuons(parameter) ? { first: this.moments.read(momentum(parameter)) } : this.rest.readMoments(parameter);
  }

  kept(parameter: Parameter): readonly (keyof Moments)[] {
    return isMuons(parameter) ? ["first"] : this.rest.kept(parameter);
  }

  writeMoments(parameter: Parameter, moments: Moments): void {
    if (isMuons(parameter)) this.moments.write(momentum(parameter), moments.first);
    else this.rest.writeMoments(parameter, moments);
  }

  dispose(): void {
    this.rest.dispose();
    this.moments.dispose();
    for (const address of this.regions.splice(0)) this.player.free(address);
  }

  private calls(part: TrainedPart & { readonly momentum: number }, rate: number, scale: number): Call[] {
    const { parameter, weights, gradient } = part;
    const { rate: factor = 1, decay = 0 } = this.options.group?.(parameter) ?? {};
    const { n, K, lies } = lying(parameter);
    const { x, sums, panels, panelBytes } = this;
    const [gram, polynomial] = this.squares;
    // Of the matrix as its weights lie, and of X.
    const layout = [padded(parameter.rows) / 16, padded(parameter.columns), lies ? 1 : 0, K * 4];
    const size = SIZE * Math.sqrt(Math.max(parameter.rows, parameter.columns));
    const call = (
      kernel: string,
      words: readonly number[],
      floats: readonly number[] = [],
      ends: readonly number[] = [],
    ) => ({
      kernel,
      words: [...words, ...floats.map((float) => ({ float })), ...ends],
      barrier: true,
    });
    const round = [
      call("gram", [x, gram, n, K], [1, 0, 0], [panels, panelBytes]),
      call("gram", [gram, polynomial, n, n], [C, B, A], [panels, panelBytes]),
      call("mapColumns", [polynomial, x, n, K, panels, panelBytes]),
    ];
    return [
      call("muonMomentum", [gradient, part.momentum, x, ...layout], [scale, 1 - MOMENTUM, MOMENTUM]),
      call("squares", [x, n * K, sums]),
      call("normalize", [x, n * K, sums, sumBytes(n * K) / 8], [LEAST]),
      ...Array.from({ length: ROUNDS }, () => round).flat(),
      call("muonStep", [weights, x, ...layout], [rate * factor * size, 1 - rate * factor * decay]),
    ];
  }
}
