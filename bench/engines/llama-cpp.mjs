/**
 * llama.cpp through node-llama-cpp, processor only. Its public generator samples after each token; here the binding's own
 * context is called instead (batch of one token, logits wanted, decode), which is what that generator does and nothing
 * more, in the peer's favor. The names are those of the pinned version.
 */
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { timeSteps } from "./steps.mjs";

/** @param {{ path: string, threads: number, context: number }} options */
export async function open({ path, threads, context: contextSize }) {
  const llama = await getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    maxThreads: threads,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
  const context = await model.createContext({ contextSize, threads, batchSize: contextSize, sequences: 1 });
  const binding = context._ctx;
  if (context.currentThreads !== threads) throw new Error(`${context.currentThreads} threads instead of ${threads}`);

  const sampler = new llama._bindings.AddonSampler(model._model);
  sampler.applyConfig({ temperature: 0 });
  let logits;

  /** Appends tokens at `position`, logits for the last. */
  const append = async (tokens, position) => {
    binding.initBatch(tokens.length);
    [logits] = binding.addToBatch(0, position, Uint32Array.from(tokens), Uint32Array.of(tokens.length - 1));
    await binding.decodeBatch();
  };
  return {
    info: { flashAttention: context.flashAttention },
    /** @param {{ prompt: number[], tokens?: number[] }} work as in refrain.mjs */
    async time(work) {
      binding.removeTokenCellsFromSequence(0, 0, -1);
      return { times: await timeSteps(append, work), best: await binding.sampleToken(logits, sampler) };
    },
  };
}
