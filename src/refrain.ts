/**
 * The library's front door in Node: `load` a model, generate with it, give it another schedule, save it.
 * The command line is a thin face over this file; `web.ts` is the door for browsers.
 */
import { nodeHost } from "./engine/wasm/node-host.ts";
import { inputError, RefrainError } from "./errors.ts";
import {
  type Edit,
  type LoadOptions as LoadAnywhere,
  loadAdapter,
  loadCheckpoint,
  loadEdited,
} from "./load-checkpoint.ts";
import type { Exported, ExportOptions } from "./model/export-gguf.ts";
import { refuseStepDependent, relaxedAdapter } from "./model/relaxed.ts";
import type { SaveOptions } from "./model/save-model.ts";
import { PlayableModel } from "./playable-model.ts";
import type { HealResult } from "./train/heal.ts";
import type { HealOptions } from "./train/heal-options.ts";
import type { Checkpoint } from "./weights/checkpoint.ts";
import { openCheckpoint } from "./weights/open.ts";
import type { StoredAdapter } from "./weights/peft.ts";

export { type Edit, resolveSchedule, type WeightType } from "./load-checkpoint.ts";

export interface LoadOptions extends LoadAnywhere {
  /** A folder with a LoRA adapter, as PEFT and `refrain heal` write it, to be played with; it brings its schedule where none is given. */
  readonly adapter?: string | undefined;
}

/**
 * Loads a model by path (a Hugging Face folder, a .gguf, a llama2.c .bin) or as `hf:org/name[/file]`.
 * Throws a RefrainError of kind "input" for what the caller can mend: no such model, a damaged file, a model that does
 * not fit this machine, a schedule that names unknown blocks.
 */
export async function load(name: string, options: LoadOptions = {}): Promise<Model> {
  const { onProgress, signal, adapter } = options;
  const stored = adapter === undefined ? undefined : await (await import("./weights/peft.ts")).readPeft(adapter);
  const checkpoint = await openCheckpoint(name, { onProgress, signal });
  const schedule = options.schedule ?? stored?.schedule;
  const { loaded, steps } = await loadCheckpoint(checkpoint, nodeHost, name, { ...options, schedule }).catch(
    (error: unknown) => {
      throw options.schedule === undefined && stored?.schedule !== undefined
        ? notItsBase(error, stored, adapter!)
        : error;
    },
  );
  const model = new Model(loaded, steps);
  if (!stored) return model;
  try {
    return model.withAdapter(stored, adapter!);
  } finally {
    await model.dispose();
  }
}

/** A schedule that an adapter brings and that the model cannot play says that they do not belong together. */
function notItsBase(error: unknown, { base, schedule }: StoredAdapter, path: string): unknown {
  if (!RefrainError.is(error) || !error.code.startsWith("schedule")) return error;
  const made = base === undefined ? "" : ` (it was made for ${base})`;
  const [problem] = error.message.replace(/^schedule: /, "").split("\n");
  return inputError(
    "adapter-base",
    `${path} is for another model: it plays "${schedule}", but ${problem}${made}`,
    "Name the model that it was made for.",
  );
}

/** A model on disk: it can also be edited, and written to disk. Models are made by `load`, `withSchedule` and `edited`. */
export class Model extends PlayableModel {
  override withSchedule(text: string): Model {
    return new Model(this.loaded, this.stepsOf(text));
  }

  /**
   * The model that `edit` makes of this one's checkpoint, playing `schedule`. Only the weights that change are loaded; the
   * others are shared with this model. Throws `step-dependent` where blocks are to change of a model whose steps are more than its blocks.
   */
  async edited(edit: Edit, schedule: string, options: Pick<LoadOptions, "onProgress" | "signal"> = {}): Promise<Model> {
    const checked: Edit = (source) => {
      const changed = edit(source);
      if (changed.config !== source.config) refuseStepDependent(this.config, "blocks cannot be made of its blocks");
      return changed;
    };
    return this.loadEdited(checked, schedule, options);
  }

  /**
   * A model that computes the same by blocks alone: where shared blocks differ by step (model/relaxed.ts), each step gets a
   * block of its own, W + s · B A, and any tool can play it. Any other model: itself.
   */
  async unrelaxed(options: Pick<LoadOptions, "onProgress" | "signal"> = {}): Promise<Model> {
    const adapter = relaxedAdapter(this.config, this.steps);
    if (!adapter) return this;
    const { mergeAdapter, storedValues } = await import("./model/merge-adapter.ts");
    const checkpoint = await this.open();
    const values = await storedValues(checkpoint, adapter).finally(() => checkpoint.close());
    const { edit, schedule } = mergeAdapter(this.config, this.steps, { adapter, values });
    return this.loadEdited(edit, schedule, options);
  }

  private async loadEdited(
    edit: Edit,
    schedule: string,
    options: Pick<LoadOptions, "onProgress" | "signal">,
  ): Promise<Model> {
    const { loaded, steps } = await loadEdited(this.loaded, await this.open(), edit, { ...options, schedule });
    return new Model(loaded, steps);
  }

  /** The same weights in memory, played with an adapter that was read from `path` (weights/peft.ts); several share one base. */
  withAdapter(stored: StoredAdapter, path: string): Model {
    return new Model(loadAdapter(this.loaded, this.steps, stored, path), this.steps);
  }

  /** The model with its adapter folded into its weights; where each step has its own, with a block for each step. */
  async merged(options: Pick<LoadOptions, "onProgress" | "signal"> = {}): Promise<Model> {
    const { adapter, config } = this.loaded;
    if (!adapter) throw new Error("merged: this model has no adapter");
    const { mergeAdapter } = await import("./model/merge-adapter.ts");
    const { edit, schedule } = mergeAdapter(config, this.steps, adapter);
    return this.edited(edit, schedule, options);
  }

  /**
   * A model that learned on `text` to make up for what this one's schedule drops or shares, to be disposed of; this one stays as it
   * is. Throws what `heal` in train/heal.ts throws.
   */
  async heal(text: string, options: Omit<HealOptions, "state" | "resume">): Promise<HealResult> {
    const { heal } = await import("./train/heal.ts");
    return heal(this, { name: "text", text, sha256: "" }, options);
  }

  /** The same model and schedule loaded once more, e.g. with weights of another type. */
  async reload(options: Omit<LoadOptions, "schedule">): Promise<Model> {
    const checkpoint = await this.open();
    const again = { ...options, schedule: this.schedule };
    const { loaded, steps } = await loadCheckpoint(checkpoint, nodeHost, this.name, again);
    return new Model({ ...loaded, edit: this.loaded.edit }, steps);
  }

  /** Its weights, to be read and closed. */
  async open(): Promise<Checkpoint> {
    const checkpoint = await openCheckpoint(this.path);
    return this.loaded.edit ? this.loaded.edit(checkpoint) : checkpoint;
  }

  /** Writes a Hugging Face folder, or nothing at all: see model/save-model.ts. */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    if (this.loaded.adapter) throw new Error("save: merge the adapter first");
    const checkpoint = await this.open();
    try {
      const extraFiles = { ...this.tokenizer?.files(), ...options.extraFiles };
      // What writes models is loaded by those alone who write one.
      const { saveModel } = await import("./model/save-model.ts");
      await saveModel(folder, checkpoint, this.config, this.steps, { ...options, extraFiles });
    } finally {
      await checkpoint.close();
    }
  }

  /** Writes one GGUF file, or nothing at all: see model/export-gguf.ts. */
  async export(path: string, options: ExportOptions = {}): Promise<Exported> {
    if (this.loaded.adapter) throw new Error("export: merge the adapter first");
    refuseStepDependent(this.config, "a GGUF file has no words for it");
    const checkpoint = await this.open();
    try {
      const { exportGguf } = await import("./model/export-gguf.ts");
      return await exportGguf(path, checkpoint, this.config, this.steps, options);
    } finally {
      await checkpoint.close();
    }
  }
}
