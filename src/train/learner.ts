/**
 * A graph that learns: planned, in memory with its weights, gradients and optimizer. It knows batches and steps; what the loss
 * is (cross-entropy, distillation, a masked language model, adapters) is the graph's affair, and where batches come from the
 * trainer's. Losses, gradients and weights have the same bits for any number of threads.
 */
import { gradientName } from "../engine/autodiff.ts";
import type { Parameter } from "../engine/parameter.ts";
import { LoadedProgram } from "../engine/wasm/loaded-program.ts";
import type { ParameterStore } from "../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../engine/wasm/player.ts";
import { failure, inputError } from "../errors.ts";
import { AdamW, type AdamWOptions, type Moments } from "./adamw.ts";
import type { LearnerMemory, LearnerPlan } from "./learner-plan.ts";
import { Muon } from "./muon.ts";

export interface UpdateOptions {
  /** The learning rate of this step. */
  readonly rate: number;
  /** The norm to which larger gradients are scaled down; without it they are taken as they are. */
  readonly clip?: number;
}

/** What a checkpoint holds of a trained parameter, each row-major [rows, columns]. */
export interface ParameterState extends Moments {
  readonly weights: Float32Array;
}

export class Learner {
  readonly trained: readonly Parameter[];
  readonly memory: LearnerMemory;
  private readonly limits: LearnerPlan["limits"];
  private readonly store: ParameterStore;
  private readonly program: LoadedProgram;
  private readonly optimizer: AdamW | Muon;
  private readonly classes: { readonly tokens: number; readonly targets: number };

  /**
   * `store` holds the frozen parameters, and may hold trained ones, as f32; those that it lacks are reserved in it, zero.
   * Takes the memory that the plan says.
   */
  constructor(player: WasmPlayer, store: ParameterStore, planned: LearnerPlan, options: AdamWOptions = {}) {
    const { plan, trained } = planned;
    this.trained = trained;
    this.memory = planned.memory;
    this.limits = planned.limits;
    this.store = store;
    this.classes = planned.classes;
    for (const parameter of trained) {
      if (!store.has(parameter)) store.reserve(parameter, "f32");
      const type = store.type(parameter);
      if (type !== "f32") throw new Error(`${parameter.name} is trained, so it must be kept as f32, not ${type}`);
    }
    this.program = new LoadedProgram(player, store, plan);
    const { byteOffset: address, length: numbers } = this.program.gradients;
    const parts = trained.map((parameter) => ({
      parameter,
      weights: store.address(parameter),
      gradient: this.program.address(gradientName(parameter)),
    }));
    try {
      const Optimizer = this.limits.optimizer === "muon" ? Muon : AdamW;
      this.optimizer = new Optimizer(player, parts, { address, numbers }, options);
    } catch (error) {
      this.program.dispose();
      throw error;
    }
  }

  /** Optimizer steps taken. */
  get steps(): number {
    return this.optimizer.steps;
  }

  /**
   * Adds the gradients of a batch's mean loss, times `share`, to those of the batches since the last update; returns the loss.
   * `tokens` and `targets`: [sequences, length], as many whole sequences as there are, at most those planned. The target of a row
   * is what it is to predict; a negative one is ignored. Shares of the batches of a step add up to 1 where their mean is meant.
   */
  accumulate(tokens: Int32Array, targets: Int32Array, share = 1): number {
    return this.play(tokens, targets, { share });
  }

  /** The mean loss of a batch, forward only. */
  evaluate(tokens: Int32Array, targets: Int32Array): number {
    return this.play(tokens, targets, { until: "loss" });
  }

  /**
   * Takes one step with the gradients that were accumulated, and makes them zero. Throws `diverged` where one is not a finite
   * number; weights and optimizer are then as they were before.
   */
  update({ rate, clip }: UpdateOptions): { readonly gradientNorm: number } {
    const gradientNorm = this.optimizer.gradientNorm();
    if (!Number.isFinite(gradientNorm)) {
      this.program.gradients.fill(0);
      throw failure(
        "diverged",
        `step ${this.steps + 1}: the gradients are not finite numbers`,
        "Go on from the last checkpoint with a lower learning rate, a longer warm-up or gradient clipping.",
      );
    }
    // As PyTorch has it: the small number keeps the quotient finite, and costs a millionth of a norm of 1.
    const scale = clip === undefined ? 1 : Math.min(1, clip / (gradientNorm + 1e-6));
    this.optimizer.step(rate, scale);
    return { gradientNorm };
  }

  /** A copy of a trained parameter's weights and of what the optimizer knows of it. */
  read(parameter: Parameter): ParameterState {
    return { weights: this.store.read(parameter), ...this.optimizer.readMoments(parameter) };
  }

  /** What `read` gives of a parameter. */
  kept(parameter: Parameter): readonly (keyof ParameterState)[] {
    return ["weights", ...this.optimizer.kept(parameter)];
  }

  /** The gradient that has been accumulated, row-major, a copy. */
  gradient(parameter: Parameter): Float32Array {
    return this.program.parameterOutput(gradientName(parameter), parameter);
  }

  /** Sets a trained parameter's weights, to begin with; row-major [rows, columns]. */
  writeParameter(parameter: Parameter, weights: Float32Array): void {
    this.store.write(parameter, weights);
  }

  /** Goes on where another learner of the same graph was: its states (`read`) and steps; nothing is accumulated. */
  restore(states: Iterable<readonly [Parameter, ParameterState]>, steps: number): void {
    for (const [parameter, state] of states) {
      this.store.write(parameter, state.weights);
      this.optimizer.writeMoments(parameter, state);
    }
    this.optimizer.steps = steps;
    this.program.gradients.fill(0);
  }

  /** Frees all but the parameters, which are the store's. */
  dispose(): void {
    this.optimizer.dispose();
    this.program.dispose();
  }

  private play(tokens: Int32Array, targets: Int32Array, options: { share?: number; until?: string }): number {
    const { length } = this.limits;
    const sequences = tokens.length / length;
    if (!Number.isInteger(sequences) || tokens.length !== targets.length) {
      throw new Error(
        `a batch is whole sequences of ${length}, not ${tokens.length} tokens and ${targets.length} targets`,
      );
    }
    refuseUnknown(tokens, 0, this.classes.tokens);
    refuseUnknown(targets, Number.NEGATIVE_INFINITY, this.classes.targets);
    this.program.play(tokens, 0, 0, targets, { ...options, sequences });
    return this.program.output("loss", 1).data[0]!;
  }
}

/** A token beyond the vocabulary would be read, or its gradient be written, in somebody else's memory. */
function refuseUnknown(tokens: Int32Array, least: number, count: number): void {
  const bad = tokens.find((token) => token < least || token >= count);
  if (bad === undefined) return;
  throw inputError(
    "token",
    `token ${bad} is not among the ${count} that the model knows`,
    "Prepare the text with the tokenizer that belongs to the model.",
  );
}
