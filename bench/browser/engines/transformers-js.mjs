/**
 * @huggingface/transformers with its WebAssembly backend (onnxruntime-web): its model class and its growing cache, called as
 * its `generate` calls them.
 */
import { AutoModelForCausalLM, DynamicCache, env, Tensor } from "@huggingface/transformers";
import { indexOfGreatest, serve } from "./serve.mjs";

serve(async ({ onnx, threads }) => {
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = "/models/";
  env.useBrowserCache = false;
  env.useWasmCache = false;
  env.backends.onnx.wasm.wasmPaths = "/onnxruntime-web/";
  env.backends.onnx.wasm.numThreads = threads;
  env.backends.onnx.wasm.proxy = false;
  const model = await AutoModelForCausalLM.from_pretrained(onnx, {
    device: "wasm",
    dtype: "fp32", // names the file; what is in it stays as it is
  });
  let past;
  /** Appends tokens at `position`; the likeliest next one. */
  const append = async (tokens, position) => {
    const total = position + tokens.length;
    const outputs = await model.forward({
      input_ids: new Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length]),
      attention_mask: new Tensor("int64", new BigInt64Array(total).fill(1n), [1, total]),
      past_key_values: past,
    });
    const kept = Object.entries(outputs).filter(([name]) => name.startsWith("present."));
    past = new DynamicCache(
      Object.fromEntries(kept.map(([name, tensor]) => [name.replace("present", "past_key_values"), tensor])),
    );
    return indexOfGreatest(outputs.logits.data);
  };
  return {
    info: {},
    async time({ prompt, tokens }) {
      past = undefined;
      const begin = performance.now();
      const first = await append(prompt, 0);
      const read = performance.now() - begin;
      if (tokens === 0) return { times: [read], first };
      const times = [];
      for (let token = first, i = 0; i < tokens; i++) {
        const start = performance.now();
        token = await append([token], prompt.length + i);
        times.push(performance.now() - start);
      }
      return { times, first };
    },
  };
});
