/**
 * From an opened checkpoint to weights in the memory of a player, and to where and how they are to be played: the part
 * of `load` that is the same in Node and in a browser.
 */
import type { CacheType } from "./engine/attention-layout.ts";
import type { Host } from "./engine/wasm/host.ts";
import { ParameterStore } from "./engine/wasm/parameter-store.ts";
import { WasmPlayer } from "./engine/wasm/player.ts";
import { inputError } from "./errors.ts";
import { bindAdapter, placeAdapter } from "./model/adapter-values.ts";
import type { ModelConfig } from "./model/config.ts";
import { refuseIfTooLarge } from "./model/fit.ts";
import { findTensor, loadWeights, storageType, type WeightChoice } from "./model/load-weights.ts";
import type { BoundAdapter } from "./model/merge-adapter.ts";
import { parametersPlayed } from "./model/network.ts";
import { readConfig } from "./model/read-config.ts";
import { refuseOtherThan } from "./model/relaxed.ts";
import { planSession } from "./model/session.ts";
import type { OnProgress } from "./progress.ts";
import { steps as expand } from "./schedule/expand.ts";
import { parseSchedule } from "./schedule/parse.ts";
import { identitySteps, type Steps } from "./schedule/schedule.ts";
import { validateSchedule } from "./schedule/validate.ts";
import { openTokenizer, type Tokenizer } from "./text/tokenizer.ts";
import type { Checkpoint } from "./weights/checkpoint.ts";
import type { EditedCheckpoint } from "./weights/edited-checkpoint.ts";
import type { StoredAdapter } from "./weights/peft.ts";

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

/** From a checkpoint to another one that is computed from it: how a method that changes weights says what it does. */
export type Edit = (checkpoint: Checkpoint) => EditedCheckpoint;

/** What models with different schedules share: weights in a player's memory, and where they came from. */
export interface Loaded {
  readonly name: string;
  readonly path: string;
  readonly config: ModelConfig;
  readonly player: WasmPlayer;
  readonly store: ParameterStore;
  readonly tokenizer: Tokenizer | undefined;
  readonly contextLength: number | undefined;
  readonly cache: CacheType;
  /** How weights are kept: "file", as near to the file's own types as the engine has. */
  readonly weights: WeightChoice;
  /** What its linear maps are adapted with. */
  readonly adapter?: (BoundAdapter & { readonly steps: Steps }) | undefined;
  /** What makes the model of what is at `path`; absent where nothing was changed. */
  readonly edit?: Edit | undefined;
  /** Frees the weights. */
  close(): Promise<void>;
  /** Models that still play from these weights. */
  models: number;
}

/** The steps that `text` names, or the checkpoint's own where there is none; every block must exist. */
export function resolveSchedule(config: ModelConfig, text: string | undefined): Steps {
  const wanted = text ?? config.schedule;
  if (wanted === undefined) return identitySteps(config.blocks);
  const schedule = parseSchedule(wanted);
  validateSchedule(schedule, config.blocks);
  const steps = expand(schedule);
  if (text !== undefined && config.relaxed) refuseOtherThan(config, resolveSchedule(config, undefined), steps);
  return steps;
}

/**
 * Throws `block-dropped` where a schedule plays a half of a block that the checkpoint's own schedule never plays and that
 * was not saved: a model from which it was dropped.
 */
function refuseDropped(checkpoint: Checkpoint, config: ModelConfig, steps: Steps): void {
  const own = new Set(parametersPlayed(config, resolveSchedule(config, undefined)).map(({ name }) => name));
  const gone = parametersPlayed(config, steps).find(({ name }) => !own.has(name) && !checkpoint.tensors.has(name));
  if (gone?.half === undefined) return;
  const half = gone.half === "attention" ? "attention" : "feed-forward half";
  throw inputError(
    "block-dropped",
    `schedule: the ${half} of block ${gone.block} is not in ${checkpoint.path}: it was dropped when that was saved`,
    `What is left plays "${config.schedule}".`,
  );
}

/**
 * Loads what the schedule plays, and closes the checkpoint. `name` is what the caller knows the model by. Errors: those that
 * `load` in refrain.ts names.
 */
export async function loadCheckpoint(
  checkpoint: Checkpoint,
  host: Host,
  name: string,
  options: LoadOptions,
): Promise<{ loaded: Loaded; steps: Steps }> {
  const { onProgress, signal } = options;
  try {
    const config = await readConfig(checkpoint);
    const steps = resolveSchedule(config, options.schedule);
    refuseDropped(checkpoint, config, steps);
    const tokenizer = await tokenizerOf(checkpoint, config);
    const parameters = parametersPlayed(config, steps);
    const choice: WeightChoice = options.weights ?? "file";
    const storage = new Map(parameters.map((p) => [p.name, storageType(findTensor(checkpoint, p).type, choice)]));
    const { contextLength, cache = "f32" } = options;
    const sessionOptions = { contextLength, cache };
    const planned = planSession(config, steps, (p) => storage.get(p.name)!, 1, sessionOptions).plan;
    refuseIfTooLarge(planned, checkpoint.path, host.availableMemory());

    const player = await WasmPlayer.create(host, options.threads === undefined ? {} : { threads: options.threads });
    const store = new ParameterStore(player);
    try {
      await loadWeights(checkpoint, parameters, choice, store, { onProgress, signal });
    } catch (error) {
      await player.close();
      throw error;
    }
    const close = () => {
      store.dispose();
      return player.close();
    };
    const { path } = checkpoint;
    const loaded: Loaded = {
      name,
      path,
      config,
      player,
      store,
      tokenizer,
      contextLength,
      cache,
      weights: choice,
      close,
      models: 0,
    };
    return { loaded, steps };
  } finally {
    await checkpoint.close();
  }
}

async function tokenizerOf(checkpoint: Checkpoint, config: ModelConfig): Promise<Tokenizer | undefined> {
  const vocabulary = await checkpoint.vocabulary();
  const tokenizer = vocabulary && (await openTokenizer(vocabulary));
  if (tokenizer === undefined || tokenizer.vocabSize <= config.vocabSize) return tokenizer;
  throw inputError(
    "tokenizer-mismatch",
    `${checkpoint.path}: the tokenizer has ids up to ${tokenizer.vocabSize - 1}, the model ${config.vocabSize} embeddings`,
    "The tokenizer belongs to another model.",
  );
}

/**
 * Loads what `edit` changes of a loaded model's `checkpoint`, and closes it; all else is shared with `base`, which stays in
 * memory as long as the new model does.
 */
export async function loadEdited(
  base: Loaded,
  checkpoint: Checkpoint,
  edit: Edit,
  { schedule, onProgress, signal }: Pick<LoadOptions, "schedule" | "onProgress" | "signal">,
): Promise<{ loaded: Loaded; steps: Steps }> {
  const store = new ParameterStore(base.player, base.store);
  try {
    const edited = edit(checkpoint);
    const config = await readConfig(edited);
    const steps = resolveSchedule(config, schedule);
    const missing = parametersPlayed(config, steps).filter(
      (p) => edited.tensors.get(p.name) !== checkpoint.tensors.get(p.name) || !base.store.has(p),
    );
    await loadWeights(edited, missing, base.weights, store, { onProgress, signal });
    const tokenizer = config.vocabSize === base.config.vocabSize ? base.tokenizer : await tokenizerOf(edited, config);
    const close = async () => {
      store.dispose();
      if (--base.models === 0) await base.close();
    };
    base.models++;
    const all: Edit = (source) => edit(base.edit ? base.edit(source) : source);
    return { loaded: { ...base, config, store, tokenizer, adapter: undefined, edit: all, close, models: 0 }, steps };
  } catch (error) {
    store.dispose();
    throw error;
  } finally {
    await checkpoint.close();
  }
}

/** Puts an adapter beside the weights of `base`, which stays in memory as long as the new model does. `path` stands in messages. */
export function loadAdapter(base: Loaded, steps: Steps, stored: StoredAdapter, path: string): Loaded {
  const { adapter, values } = bindAdapter(stored, base.config, steps, { path });
  const store = new ParameterStore(base.player, base.store);
  try {
    placeAdapter(store, adapter, values);
  } catch (error) {
    store.dispose();
    throw error;
  }
  const close = async () => {
    store.dispose();
    if (--base.models === 0) await base.close();
  };
  base.models++;
  return { ...base, store, adapter: { adapter, values, steps }, close, models: 0 };
}
