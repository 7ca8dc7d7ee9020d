/**
 * The library's front door: `load` a model, generate with it, give it another schedule, save it.
 * The command line is a thin face over this file.
 */
import type { CacheType } from "./engine/attention-layout.ts";
import { parameterBytes } from "./engine/parameter.ts";
import { nodeHost } from "./engine/wasm/node-host.ts";
import { ParameterStore } from "./engine/wasm/parameter-store.ts";
import { WasmPlayer } from "./engine/wasm/player.ts";
import { inputError } from "./errors.ts";
import { type GenerateOptions, type GenerateStats, generate } from "./generate/generate.ts";
import type { ModelConfig } from "./model/config.ts";
import { refuseIfTooLarge } from "./model/fit.ts";
import { findTensor, loadWeights, storageType } from "./model/load-weights.ts";
import { parametersPlayed } from "./model/network.ts";
import { readConfig } from "./model/read-config.ts";
import { type SaveOptions, saveModel } from "./model/save-model.ts";
import { planSession, Session, type SessionOptions } from "./model/session.ts";
import type { OnProgress } from "./progress.ts";
import { steps as expand } from "./schedule/expand.ts";
import { parseSchedule } from "./schedule/parse.ts";
import { printSteps } from "./schedule/print.ts";
import { identitySteps, type Steps } from "./schedule/schedule.ts";
import { validateSchedule } from "./schedule/validate.ts";
import { openTokenizer, type Tokenizer } from "./text/tokenizer.ts";
import type { Checkpoint } from "./weights/checkpoint.ts";
import { openCheckpoint } from "./weights/open.ts";

/** How weights are kept in memory. `q8` and `q4` are blocks of 32 with one scale each (GGUF's Q8_0 and Q4_0). */
export type WeightType = "f32" | "f16" | "q8" | "q4";

export interface LoadOptions {
  /** How weights are kept in memory; without it, as near to the file's own types as the engine has. */
  readonly weights?: WeightType | undefined;
  /** How sessions keep keys and values; without it, f32. q8 has 8 bits and one scale for each head and position. */
  readonly cache?: CacheType | undefined;
  /** Another schedule than the checkpoint's own, e.g. "each(0-14)x2". */
  readonly schedule?: string | undefined;
  /** Threads of the player; without it, the cores of this process, at most 8. */
  readonly threads?: number | undefined;
  /** Longest sequence of a session, in tokens; without it the model's own limit, at most 2,048. */
  readonly contextLength?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What models with different schedules share: weights in a player's memory, and where they came from. */
interface Loaded {
  readonly name: string;
  readonly path: string;
  readonly config: ModelConfig;
  readonly player: WasmPlayer;
  readonly store: ParameterStore;
  readonly tokenizer: Tokenizer | undefined;
  readonly contextLength: number | undefined;
  readonly cache: CacheType;
  /** Models that still play from these weights. */
  models: number;
}

/** The steps that `text` names, or the checkpoint's own where there is none; every block must exist. */
export function resolveSchedule(config: ModelConfig, text: string | undefined): Steps {
  const wanted = text ?? config.schedule;
  if (wanted === undefined) return identitySteps(config.blocks);
  const schedule = parseSchedule(wanted);
  validateSchedule(schedule, config.blocks);
  return expand(schedule);
}

/**
 * Loads a model by path (a Hugging Face folder, a .gguf, a llama2.c .bin) or as `hf:org/name[/file]`.
 * Throws a RefrainError of kind "input" for what the caller can mend: no such model, a damaged file, a model that does
 * not fit this machine, a schedule that names unknown blocks.
 */
export async function load(name: string, options: LoadOptions = {}): Promise<Model> {
  const { onProgress, signal } = options;
  const checkpoint = await openCheckpoint(name, { onProgress, signal });
  try {
    const config = await readConfig(checkpoint);
    const steps = resolveSchedule(config, options.schedule);
    const vocabulary = await checkpoint.vocabulary();
    const tokenizer = vocabulary && (await openTokenizer(vocabulary));
    if (tokenizer && tokenizer.vocabSize > config.vocabSize) {
      throw inputError(
        "tokenizer-mismatch",
        `${checkpoint.path}: the tokenizer has ids up to ${tokenizer.vocabSize - 1}, the model ${config.vocabSize} embeddings`,
        "The tokenizer belongs to another model.",
      );
    }
    const parameters = parametersPlayed(config, steps);
    const choice = options.weights ?? "file";
    const storage = new Map(parameters.map((p) => [p.name, storageType(findTensor(checkpoint, p).type, choice)]));
    const { contextLength, cache = "f32" } = options;
    const sessionOptions = { contextLength, cache };
    const planned = planSession(config, steps, (p) => storage.get(p.name)!, 1, sessionOptions).plan;
    refuseIfTooLarge(planned, checkpoint.path, nodeHost.availableMemory());

    const player = await WasmPlayer.create(nodeHost, options.threads === undefined ? {} : { threads: options.threads });
    const store = new ParameterStore(player);
    try {
      await loadWeights(checkpoint, parameters, choice, store, { onProgress, signal });
    } catch (error) {
      await player.close();
      throw error;
    }
    const loaded = { name, path: checkpoint.path, config, player, store, tokenizer, contextLength, cache, models: 0 };
    return new Model(loaded, steps);
  } finally {
    await checkpoint.close();
  }
}

export class Model {
  /** The schedule in canonical notation. */
  readonly schedule: string;
  readonly steps: Steps;
  private readonly loaded: Loaded;
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

  /** The file or folder on disk. */
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
    const { player, store, config, contextLength, cache } = this.loaded;
    return new Session(player, store, config, this.steps, { contextLength, cache, ...options });
  }

  /** The same weights in memory, another order of play. */
  withSchedule(text: string): Model {
    const steps = resolveSchedule(this.config, text);
    const missing = parametersPlayed(this.config, steps).find((parameter) => !this.loaded.store.has(parameter));
    if (missing) {
      throw inputError(
        "block-not-loaded",
        `schedule "${text}" plays block ${missing.block}, which was not loaded with "${this.schedule}"`,
        "Load the model with a schedule that plays every block that you need.",
      );
    }
    return new Model(this.loaded, steps);
  }

  /** Writes a Hugging Face folder, or nothing at all: see model/save-model.ts. */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    const checkpoint: Checkpoint = await openCheckpoint(this.path);
    try {
      const extraFiles = { ...this.tokenizer?.files(), ...options.extraFiles };
      await saveModel(folder, checkpoint, this.config, this.steps, { ...options, extraFiles });
    } finally {
      await checkpoint.close();
    }
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
    if (--this.loaded.models > 0) return;
    this.loaded.store.dispose();
    await this.loaded.player.close();
  }
}
