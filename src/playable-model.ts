/** A model in memory with a schedule: what can be done with it wherever it was loaded, in Node or in a browser. */
import type { CacheType } from "./engine/attention-layout.ts";
import { parameterBytes, type StorageType } from "./engine/parameter.ts";
import { inputError } from "./errors.ts";
import { type GenerateOptions, type GenerateStats, generate } from "./generate/generate.ts";
import { type Loaded, resolveSchedule } from "./load-checkpoint.ts";
import { adapterScale } from "./model/adapter.ts";
import { refuseOtherSteps } from "./model/adapter-values.ts";
import type { ModelConfig } from "./model/config.ts";
import { parametersPlayed } from "./model/network.ts";
import { refuseStepDependent } from "./model/relaxed.ts";
import { contextLength as checkContext, Session, type SessionOptions } from "./model/session.ts";
import { StepwisePlayer } from "./model/stepwise.ts";
import { printSteps } from "./schedule/print.ts";
import type { Steps } from "./schedule/schedule.ts";
import type { Tokenizer } from "./text/tokenizer.ts";

export class PlayableModel {
  /** The schedule in canonical notation. */
  readonly schedule: string;
  readonly steps: Steps;
  protected readonly loaded: Loaded;
  private disposed = false;

  /** Models are made by `load` and by `withSchedule`. */
  constructor(loaded: Loaded, steps: Steps) {
    this.loaded = loaded;
    this.steps = steps;
    this.schedule = printSteps(steps);
    loaded.models++;
  }

  /** As it was given to `load`. */
  get name(): string {
    return this.loaded.name;
  }

  /** The file or folder, or where else it came from. */
  get path(): string {
    return this.loaded.path;
  }

  get config(): ModelConfig {
    return this.loaded.config;
  }

  /** Undefined where the checkpoint brings none: such a model takes and gives tokens only. */
  get tokenizer(): Tokenizer | undefined {
    return this.loaded.tokenizer;
  }

  /** Which build of the kernels plays, and on how many threads: "relaxed SIMD, 2 threads". */
  get engine(): string {
    return this.loaded.player.describe();
  }

  /** What the products of its adapter are multiplied by; undefined where it has none. */
  get adapterScale(): number | undefined {
    const { adapter } = this.loaded;
    return adapter && adapterScale(adapter.adapter);
  }

  /** How its sessions keep keys and values, where they do not say otherwise. */
  get cache(): CacheType {
    return this.loaded.cache;
  }

  /** Bytes that the weights of this schedule take in memory, each once however often it is played. */
  get weightBytes(): number {
    const { config, store } = this.loaded;
    return parametersPlayed(config, this.steps).reduce((sum, p) => sum + parameterBytes(p, store.type(p)), 0);
  }

  /**
   * The weights that the schedule plays, each once, packed as they are in memory, piece behind piece: the same bytes on any
   * number of threads. Views that are good until memory is next taken.
   */
  *packedWeights(): Generator<{ readonly name: string; readonly type: StorageType; readonly pieces: Uint8Array[] }> {
    const { config, store, adapter } = this.loaded;
    const pairs = adapter?.adapter.pairs.flatMap(({ a, b }) => [a, b]) ?? [];
    for (const parameter of [...parametersPlayed(config, this.steps), ...pairs]) {
      yield { name: parameter.name, type: store.type(parameter), pieces: store.pieces(parameter) };
    }
  }

  /**
   * The continuation of `prompt`, piece by piece. `onDone` is told the rates and why it ended. A prompt given as tokens
   * is taken as it is; text gets the special tokens that the tokenizer adds.
   */
  async *generate(
    prompt: string | readonly number[],
    options: GenerateOptions = {},
    onDone?: (stats: GenerateStats) => void,
  ): AsyncGenerator<string> {
    const tokenizer = this.needTokenizer();
    const tokens = typeof prompt === "string" ? tokenizer.encode(prompt) : prompt;
    const session = this.session();
    try {
      yield* generate(session, tokenizer, tokens, options, onDone);
    } finally {
      session.dispose();
    }
  }

  /** A sequence of tokens with a cache of its own; dispose of it when done. */
  session(options: SessionOptions = {}): Session {
    const { player, store, config, contextLength, cache, adapter } = this.loaded;
    const own = { contextLength, cache, adapter: adapter?.adapter };
    return new Session(player, store, config, this.steps, { ...own, ...options });
  }

  /** Where its weights are, for graphs that are no sessions. The model's own: not to be disposed of. */
  get memory(): Pick<Loaded, "player" | "store" | "weights"> {
    return this.loaded;
  }

  /** The same weights, played one step at a time on sequences of at most `context` tokens. */
  stepwise(context: number): StepwisePlayer {
    const { player, store, config } = this.loaded;
    refuseStepDependent(config, "its steps cannot be played one by one");
    return new StepwisePlayer(player, store, config, checkContext(config, context));
  }

  /** The same weights in memory, another order of play. */
  withSchedule(text: string): PlayableModel {
    return new PlayableModel(this.loaded, this.stepsOf(text));
  }

  /** The tokenizer, or a clear refusal. */
  needTokenizer(): Tokenizer {
    if (this.tokenizer) return this.tokenizer;
    throw inputError(
      "tokenizer-missing",
      `${this.path} has no tokenizer`,
      "Put its tokenizer.json (for llama2.c: tokenizer.bin) beside the weights.",
    );
  }

  /** Frees the weights and stops the threads, once no other model plays from them. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    if (--this.loaded.models === 0) await this.loaded.close();
  }

  /** The steps of a schedule of which every block is in memory. */
  protected stepsOf(text: string): Steps {
    const steps = resolveSchedule(this.config, text);
    const { adapter } = this.loaded;
    if (adapter) refuseOtherSteps(adapter.adapter, adapter.steps, steps, "the adapter");
    const missing = parametersPlayed(this.config, steps).find((parameter) => !this.loaded.store.has(parameter));
    if (missing === undefined) return steps;
    throw inputError(
      "block-not-loaded",
      `schedule "${text}" plays block ${missing.block}, which was not loaded with "${this.schedule}"`,
      "Load the model with a schedule that plays every block that you need.",
    );
  }
}
