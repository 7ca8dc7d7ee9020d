/**
 * @wllama/wllama 2, the last release with 32-bit addresses, which is more than twice as fast here as those with 64-bit
 * addresses that came after it. It has calls for single tokens; the messages to its worker and back are in the figures.
 */
import { LoggerWithoutDebug, Wllama } from "wllama-2";
import { serve } from "./serve.mjs";

// It makes addresses absolute by the page's; here it runs in a worker.
globalThis.document = { baseURI: location.href };

serve(async ({ gguf, threads, context }) => {
  const paths = {
    "single-thread/wllama.wasm": "/wllama-2/single-thread/wllama.wasm",
    "multi-thread/wllama.wasm": "/wllama-2/multi-thread/wllama.wasm",
  };
  const wllama = new Wllama(paths, { suppressNativeLog: true, logger: LoggerWithoutDebug });
  const file = await (await fetch(gguf)).blob();
  await wllama.loadModel([file], { n_threads: threads, n_ctx: context, n_batch: context });
  if (wllama.getNumThreads() !== threads) throw new Error(`${wllama.getNumThreads()} threads instead of ${threads}`);
  await wllama.samplingInit({ temp: 0, top_k: 1 });
  /** Appends tokens; the likeliest next one. */
  const append = async (tokens) => {
    await wllama.decode(tokens, {});
    return (await wllama.samplingSample()).token;
  };
  return {
    info: {},
    async time({ prompt, tokens }) {
      await wllama.kvClear();
      const begin = performance.now();
      const first = await append(prompt);
      const read = performance.now() - begin;
      if (tokens === 0) return { times: [read], first };
      const times = [];
      for (let token = first, i = 0; i < tokens; i++) {
        const start = performance.now();
        token = await append([token]);
        times.push(performance.now() - start);
      }
      return { times, first };
    },
  };
});
