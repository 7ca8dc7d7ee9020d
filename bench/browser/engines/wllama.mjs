/**
 * @wllama/wllama: llama.cpp in WebAssembly, on the processor. It has no call for a single token; what is told here are the
 * timings that it takes itself inside of its worker, so that no message between threads is in them.
 */
import { LoggerWithoutDebug, Wllama } from "@wllama/wllama";
import { serve } from "./serve.mjs";

serve(async ({ gguf, threads, context }) => {
  const wllama = new Wllama(
    { default: "/wllama/wllama.wasm" },
    { suppressNativeLog: true, logger: LoggerWithoutDebug },
  );
  const file = await (await fetch(gguf)).blob();
  await wllama.loadModel([file], {
    n_gpu_layers: 0,
    n_threads: threads,
    n_ctx: context,
    n_batch: context,
    n_ubatch: context,
    n_parallel: 1,
  });
  if (wllama.getNumThreads() !== threads) throw new Error(`${wllama.getNumThreads()} threads instead of ${threads}`);
  return {
    info: {},
    async time({ text, prompt, tokens }) {
      const { choices, timings } = await wllama.createCompletion({
        prompt: text,
        max_tokens: tokens + 1,
        temperature: 0,
        samplers: ["top_k"],
        top_k: 1,
        ignore_eos: true,
        cache_prompt: false,
      });
      if (timings.prompt_n !== prompt.length || timings.predicted_n !== tokens + 1) {
        throw new Error(`wllama read ${timings.prompt_n} tokens and wrote ${timings.predicted_n}`);
      }
      if (tokens === 0) return { times: [timings.prompt_ms], first: choices[0].text };
      // Its clock for writing starts when the first token is there.
      return { times: [timings.predicted_ms / tokens] };
    },
  };
});
