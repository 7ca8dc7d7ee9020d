/** The player's host under Node: kernels from this package's `wasm/` folder, workers from `node:worker_threads`. */
import { readFile } from "node:fs/promises";
import { availableParallelism, freemem } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { Host } from "./host.ts";
import { workerLoop } from "./worker-loop.ts";

const workerSource = `
const { parentPort, workerData: task } = require("node:worker_threads");
const ready = () => parentPort.postMessage("ready");
${workerLoop}`;

export const nodeHost: Host = {
  cores: availableParallelism(),

  // Where the kernel says what it could free for us, that; else what is free now.
  availableMemory: () => process.availableMemory?.() ?? freemem(),

  prepare() {
    // Node 20 has relaxed SIMD behind this flag; later versions have it on and ignore an unknown flag's absence.
    if (Number(process.versions.node.split(".")[0]) < 22) setFlagsFromString("--experimental-wasm-relaxed-simd");
  },

  async kernels(variantName) {
    return readFile(new URL(`../../../wasm/${variantName}.wasm`, import.meta.url));
  },

  startWorker(task) {
    const worker = new Worker(workerSource, { eval: true, workerData: task, stdin: false });
    const ready = new Promise<void>((resolve, reject) => {
      worker.once("message", () => {
        // From here on it only waits: a forgotten model must not keep the process alive.
        worker.unref();
        resolve();
      });
      worker.once("error", reject);
    });
    return {
      ready,
      terminate: async () => {
        await worker.terminate();
      },
    };
  },
};
