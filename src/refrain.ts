/**
 * The library's front door in Node: `load` a model, generate with it, give it another schedule, save it.
 * The command line is a thin face over this file; `web.ts` is the door for browsers.
 */
import { nodeHost } from "./engine/wasm/node-host.ts";
import { type LoadOptions, loadCheckpoint } from "./load-checkpoint.ts";
import type { SaveOptions } from "./model/save-model.ts";
import { PlayableModel } from "./playable-model.ts";
import { openCheckpoint } from "./weights/open.ts";

export { type LoadOptions, resolveSchedule, type WeightType } from "./load-checkpoint.ts";

/**
 * Loads a model by path (a Hugging Face folder, a .gguf, a llama2.c .bin) or as `hf:org/name[/file]`.
 * Throws a RefrainError of kind "input" for what the caller can mend: no such model, a damaged file, a model that does
 * not fit this machine, a schedule that names unknown blocks.
 */
export async function load(name: string, options: LoadOptions = {}): Promise<Model> {
  const { onProgress, signal } = options;
  const checkpoint = await openCheckpoint(name, { onProgress, signal });
  const { loaded, steps } = await loadCheckpoint(checkpoint, nodeHost, name, options);
  return new Model(loaded, steps);
}

/** A model on disk: it can also be written to disk. Models are made by `load` and by `withSchedule`. */
export class Model extends PlayableModel {
  override withSchedule(text: string): Model {
    return new Model(this.loaded, this.stepsOf(text));
  }

  /** Writes a Hugging Face folder, or nothing at all: see model/save-model.ts. */
  async save(folder: string, options: SaveOptions = {}): Promise<void> {
    const checkpoint = await openCheckpoint(this.path);
    try {
      const extraFiles = { ...this.tokenizer?.files(), ...options.extraFiles };
      // What writes models is loaded by those alone who write one.
      const { saveModel } = await import("./model/save-model.ts");
      await saveModel(folder, checkpoint, this.config, this.steps, { ...options, extraFiles });
    } finally {
      await checkpoint.close();
    }
  }
}
