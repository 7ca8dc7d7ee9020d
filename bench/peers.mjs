/** Who we are compared with: the file in engines/, the name that rows give it, the format of model that it reads. */
import { readFileSync } from "node:fs";

const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const named = (name) => `${name} ${dependencies[name]}`;

export const llamaCpp = { engine: "llama-cpp", name: named("node-llama-cpp"), format: "gguf" };
export const onnxRuntime = { engine: "onnxruntime", name: named("onnxruntime-node"), format: "onnx" };
export const transformersJs = { engine: "transformers-js", name: named("@huggingface/transformers"), format: "onnx" };
export const wllama = { engine: "wllama", name: named("@wllama/wllama"), format: "gguf" };
export const jaxJs = named("@jax-js/jax");
export const tensorflowJs = `${named("@tensorflow/tfjs")}, wasm`;
/** An older release under an alias: "npm:@wllama/wllama@2.4.0". */
export const wllama2 = {
  engine: "wllama-2",
  name: dependencies["wllama-2"].replace(/^npm:(.*)@/, "$1 "),
  format: "gguf",
};
