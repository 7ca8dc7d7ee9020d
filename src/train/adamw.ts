/**
 * AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2; as PyTorch has it): weights decay by themselves, not through
 * the gradient. Gradients are clipped by the norm of all of them together (Pascanu et al. 2013, arXiv 1211.5063). The numbers are
 * computed in the player's memory (engine/wasm/kernels/optimizer.ts has the equations), with the same bits for any number of threads.
 */
import { type Parameter, parameterBytes } from "../engine/parameter.ts";
import { type Call, callBytes, encodeCalls } from "../engine/program.ts";
import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../engine/wasm/player.ts";

export interface AdamWOptions {
  /** Of the mean of gradients; 0.9. */
  readonly beta1?: number;
  /** Of the mean of their squares; 0.95, as usual for language models (0.999 in the paper). */
  readonly beta2?: number;
  /** 1e-8. */
  readonly epsilon?: number;
  /** What a parameter's rate is multiplied by (1), and its weight decay (0). */
  readonly group?: (parameter: Parameter) => { readonly rate?: number; readonly decay?: number };
}

/** A trained parameter and the addresses of its weights and its gradient, which lie alike. */
export interface TrainedPart {
  readonly parameter: Parameter;
  readonly weights: number;
  readonly gradient: number;
}

/** All gradients, one behind the other. */
export interface Gradients {
  readonly address: number;
  readonly numbers: number;
}

/** Both row-major [rows, columns]: the means of the gradients and of their squares; the latter AdamW's only. */
export interface Moments {
  readonly first: Float32Array;
  readonly second?: Float32Array;
}

/** Numbers of which the kernel `squares` makes one sum. */
const CHUNK = 4096;

/** Bytes of the sums that `squares` makes. */
export const sumBytes = (numbers: number): number => Math.ceil(numbers / CHUNK) * 8;
const bytesOf = (parameter: Parameter): number => parameterBytes(parameter, "f32");
const moment = (parameter: Parameter, which: "first" | "second"): Parameter => ({
  ...parameter,
  name: `${which} moment of ${parameter.name}`,
});

/** Bytes that the optimizer of these parameters takes, before it does. */
export function adamwBytes(trained: readonly Parameter[]): number {
  const all = trained.reduce((sum, parameter) => sum + bytesOf(parameter), 0);
  return 2 * all + sumBytes(all / 4) + callBytes(trained.length);
}

export class AdamW {
  /** Steps taken: what the moments' beginning at zero is corrected by. */
  steps = 0;
  private readonly player: WasmPlayer;
  private readonly parts: readonly (TrainedPart & { readonly first: number; readonly second: number })[];
  private readonly gradients: Gradients;
  private readonly options: AdamWOptions;
  private readonly moments: ParameterStore;
  private readonly regions: number[] = [];
  private readonly sums: number;
  private readonly program: number;

  /** `parts` are those that it moves, `gradients` all that a norm is of. */
  constructor(player: WasmPlayer, parts: readonly TrainedPart[], gradients: Gradients, options: AdamWOptions) {
    this.player = player;
    this.gradients = gradients;
    this.options = options;
    this.moments = new ParameterStore(player);
    const take = (bytes: number, what: string): number => {
      const address = player.allocate(bytes, what);
      this.regions.push(address);
      return address;
    };
    try {
      const reserve = (parameter: Parameter): number => {
        this.moments.reserve(parameter, "f32");
        return this.moments.address(parameter);
      };
      this.parts = parts.map((part) => ({
        ...part,
        first: reserve(moment(part.parameter, "first")),
        second: reserve(moment(part.parameter, "second")),
      }));
      this.sums = take(sumBytes(gradients.numbers), "sums of squares");
      this.program = take(callBytes(parts.length), "optimizer");
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** The Euclidean norm of all gradients together. */
  gradientNorm(): number {
    const { address, numbers } = this.gradients;
    this.play([{ kernel: "squares", words: [address, numbers, this.sums] }]);
    const sums = new Float64Array(this.player.memory.buffer, this.sums, sumBytes(numbers) / 8);
    return Math.sqrt(sums.reduce((total, sum) => total + sum, 0));
  }

  /** One step with the gradients times `scale`; they are zero afterwards. */
  step(rate: number, scale: number): void {
    const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, group } = this.options;
    this.steps++;
    const step = rate / (1 - beta1 ** this.steps);
    const root = 1 / Math.sqrt(1 - beta2 ** this.steps);
    this.play(
      this.parts.map(({ parameter, weights, gradient, first, second }) => {
        const { rate: factor = 1, decay = 0 } = group?.(parameter) ?? {};
        const numbers = [scale, 1 - beta1, beta2, 1 - beta2, step * factor, root, epsilon, 1 - rate * factor * decay];
        const words = [weights, gradient, first, second, bytesOf(parameter) / 4];
        return { kernel: "adamw", words: [...words, ...numbers.map((float) => ({ float }))] };
      }),
    );
  }

  readMoments(parameter: Parameter): Moments {
    return {
      first: this.moments.read(moment(parameter, "first")),
      second: this.moments.read(moment(parameter, "second")),
    };
  }

  /** What `readMoments` gives. */
  kept(_parameter: Parameter): readonly (keyof Moments)[] {
    return ["first", "second"];
  }

  writeMoments(parameter: Parameter, moments: Moments): void {
    for (const which of ["first", "second"] as const) {
      const values = moments[which];
      if (values === undefined) throw new Error(`${parameter.name}: AdamW has two moments`);
      this.moments.write(moment(parameter, which), values);
    }
  }

  dispose(): void {
    this.moments.dispose();
    for (const address of this.regions.splice(0)) this.player.free(address);
  }

  private play(calls: readonly Call[]): void {
    const words = encodeCalls(calls, (kernel) => this.player.opcode(kernel));
    this.player.integers(this.program, words.length).set(words);
    this.player.play(this.program, 1, 0, 0);
  }
}
