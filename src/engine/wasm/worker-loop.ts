/**
 * The whole of a worker, the same under every host: make an instance over the shared memory, say so, and stay in wasm until
 * told to stop. A string, so that bundlers and TypeScript runners have no file to lose.
 */
import { FAILED } from "./control.ts";

/** Statements that expect `task`, a `WorkerTask`, and a function `ready`; the host puts around them how it brings both. */
export const workerLoop = `
const { exports } = new WebAssembly.Instance(task.module, { env: { memory: task.memory, abort() {} } });
ready();
try {
  exports.work(task.thread, task.threads, 0);
} catch (error) {
  new Int32Array(task.memory.buffer)[${FAILED / 4}] = 1;
  throw error;
}
`;
