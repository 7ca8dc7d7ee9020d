/**
 * What a player needs from where it runs: the bytes of a kernel build, and a way to start workers.
 * `node-host.ts` is the one for Node, `web-host.ts` the one for browsers.
 */
import type { VariantName } from "./variant.ts";

export interface HostWorker {
  /** Resolves when the worker stands ready to play. */
  readonly ready: Promise<void>;
  terminate(): Promise<void>;
}

export interface WorkerTask {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly threads: number;
}

export interface Host {
  /** Called once before the first compilation, to switch on what the engine has behind a flag. */
  prepare(): void;
  /** Bytes of `relaxed-threads.wasm` and so on. */
  kernels(variantName: VariantName): Promise<Uint8Array>;
  startWorker(task: WorkerTask): HostWorker;
  /** Cores that this process may use. */
  readonly cores: number;
  /** Bytes of memory that the system can still give; infinite where it does not say. */
  availableMemory(): number;
}
