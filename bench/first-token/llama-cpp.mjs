/** node bench/first-token/llama-cpp.mjs MODEL.gguf PROMPT THREADS: the least program that prints one token. */
import { getLlama, LlamaCompletion, LlamaLogLevel } from "node-llama-cpp";

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
const context = await model.createContext({ contextSize: 512, threads: Number(threads), sequences: 1 });
const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
await completion.generateCompletion(prompt, {
  maxTokens: 1,
  temperature: 0,
  onTextChunk: (text) => process.stdout.write(text),
});
await llama.dispose();
