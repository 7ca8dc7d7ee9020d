/**
 * node bench/first-token.mjs FILE PROMPT THREADS: a whole process that prints the likeliest first token with llama.cpp, for
 * `startup.mjs`. What `refrain run FILE PROMPT --max-tokens 1 --temperature 0` does, in the fewest steps of node-llama-cpp.
 */
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [path, prompt, threads] = process.argv.slice(2);
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  maxThreads: Number(threads),
  progressLogs: false,
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
const context = await model.createContext({ contextSize: 2048, threads: Number(threads), sequences: 1 });
const tokens = model.tokenize(prompt);
const binding = context._ctx;
const sampler = new llama._bindings.AddonSampler(model._model);
sampler.applyConfig({ temperature: 0 });
binding.initBatch(tokens.length);
const [logits] = binding.addToBatch(0, 0, Uint32Array.from(tokens), Uint32Array.of(tokens.length - 1));
await binding.decodeBatch();
process.stdout.write(model.detokenize([await binding.sampleToken(logits, sampler)]));
process.exit(0);
