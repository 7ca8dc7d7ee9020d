/**
 * The player's host in a browser: kernels by `fetch`, workers from a Blob. The player waits for its workers, which browsers
 * allow in workers only, so all of this runs in one and its workers are workers of a worker.
 */
import { failure } from "../../errors.ts";
import type { Host } from "./host.ts";
import type { VariantName } from "./variant.ts";
import { workerLoop } from "./worker-loop.ts";

const workerSource = `
self.onmessage = ({ data: task }) => {
const ready = () => self.postMessage("ready");
${workerLoop}};
`;

/** Written out one by one: this is the form by which bundlers find files that must travel with the code. */
const ownKernels: Readonly<Record<VariantName, () => URL>> = {
  "dot-threads": () => new URL("../../../wasm/dot-threads.wasm", import.meta.url),
  "dot-single": () => new URL("../../../wasm/dot-single.wasm", import.meta.url),
  "relaxed-threads": () => new URL("../../../wasm/relaxed-threads.wasm", import.meta.url),
  "relaxed-single": () => new URL("../../../wasm/relaxed-single.wasm", import.meta.url),
  "plain-threads": () => new URL("../../../wasm/plain-threads.wasm", import.meta.url),
  "plain-single": () => new URL("../../../wasm/plain-single.wasm", import.meta.url),
};

/** `kernels`: address of a folder with the builds; without it they are looked for where this package has them. */
export function webHost(kernels?: string | URL): Host {
  return {
    cores: navigator.hardwareConcurrency,

    // A page is not told; memory that cannot be had is refused when it is asked for.
    availableMemory: () => Number.POSITIVE_INFINITY,

    prepare() {},

    async kernels(variantName) {
      const folder = kernels === undefined ? undefined : String(kernels).replace(/\/?$/, "/");
      return fetchKernels(folder === undefined ? ownKernels[variantName]() : `${folder}${variantName}.wasm`);
    },

    startWorker(task) {
      const address = URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }));
      const worker = new Worker(address);
      const ready = new Promise<void>((resolve, reject) => {
        worker.onmessage = () => resolve();
        worker.onerror = ({ message }) => {
          const why = message ? `: ${message}` : "";
          const help = "A content security policy must allow `worker-src blob:`; one thread needs no worker.";
          reject(failure("worker-start", `a worker of the engine did not start${why}`, help));
        };
        worker.postMessage(task);
      }).finally(() => URL.revokeObjectURL(address));
      return { ready, terminate: async () => worker.terminate() };
    },
  };
}

async function fetchKernels(address: string | URL): Promise<Uint8Array> {
  const help = "Serve this package's `wasm` folder and name its address in the option `kernels`.";
  const response = await fetch(address).catch((cause: unknown) => {
    throw failure("kernels-missing", `the kernels could not be fetched from ${address}`, help, cause);
  });
  if (!response.ok) {
    throw failure(
      "kernels-missing",
      `there are no kernels at ${address}: the server answered ${response.status}`,
      help,
    );
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  // Servers made for pages of one address answer every other with that page.
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== "\0asm") {
    throw failure("kernels-missing", `what the server gave for ${address} is no WebAssembly`, help);
  }
  return bytes;
}
