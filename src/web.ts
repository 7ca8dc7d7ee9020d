/**
 * What `import … from "refrain/web"` gives: the library in a browser, without the disk. No file that this one imports knows
 * Node. It belongs into a Worker: a play blocks the thread that calls it, and waits for other threads.
 */
import { webHost } from "./engine/wasm/web-host.ts";
import { inputError } from "./errors.ts";
import { type LoadOptions, loadCheckpoint } from "./load-checkpoint.ts";
import { PlayableModel } from "./playable-model.ts";
import { ggufCheckpoint } from "./weights/gguf.ts";
import { openWebFile, type WebFile } from "./weights/web-file.ts";

export * from "./common.ts";
export { PlayableModel as Model } from "./playable-model.ts";
export type { WebFile } from "./weights/web-file.ts";

export interface WebLoadOptions extends LoadOptions {
  /** Address of a folder with this package's `wasm/*.wasm`; without it, where the package or a bundler has put them. */
  readonly kernels?: string | URL | undefined;
}

/**
 * Loads a GGUF model from an address, a File or bytes in memory. From an address, only what the schedule plays is fetched,
 * where the server can send parts of a file (HTTP ranges). Throws a RefrainError of kind "input" for what the caller can
 * mend: `page-thread` outside of a Worker, no such file, a damaged one, a schedule that names unknown blocks; of kind
 * "failure" for the network and for kernels that are not served.
 */
export async function load(file: WebFile, options: WebLoadOptions = {}): Promise<PlayableModel> {
  if (typeof document !== "undefined") {
    throw inputError(
      "page-thread",
      "refrain/web was called in the thread of the page, which may not wait and would stand still while it plays",
      'Call it in a worker: new Worker(new URL("worker.js", import.meta.url), { type: "module" }).',
    );
  }
  const source = await openWebFile(file, options);
  const checkpoint = await ggufCheckpoint(source);
  const { loaded, steps } = await loadCheckpoint(checkpoint, webHost(options.kernels), source.name, options);
  return new PlayableModel(loaded, steps);
}
