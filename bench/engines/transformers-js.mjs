/**
 * @huggingface/transformers on the same ONNX file: its model class, its growing cache (every token makes a new one, one position
 * longer), its own tensors around onnxruntime-node. A step is a call of the model's `forward` with the cache of the step before,
 * as its `generate` does it, without the choice of the next token.
 */
import { basename, dirname } from "node:path";
import { AutoModelForCausalLM, DynamicCache, env, Tensor } from "@huggingface/transformers";
import { indexOfGreatest } from "./logits.mjs";
import { timeSteps } from "./steps.mjs";

/** @param {{ path: string, threads: number }} options `path` of FOLDER/onnx/model.onnx, with config.json in FOLDER */
export async function open({ path, threads }) {
  const folder = dirname(dirname(path));
  env.allowRemoteModels = false;
  env.localModelPath = dirname(folder);
  const model = await AutoModelForCausalLM.from_pretrained(basename(folder), {
    device: "cpu",
    dtype: "fp32", // names the file; what is in it stays as it is
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  let past;
  let logits;
  const append = async (tokens, position) => {
    const total = position + tokens.length;
    const inputs = {
      input_ids: new Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length]),
      attention_mask: new Tensor("int64", new BigInt64Array(total).fill(1n), [1, total]),
      past_key_values: past,
    };
    const outputs = await model.forward(inputs);
    const kept = Object.entries(outputs).filter(([name]) => name.startsWith("present."));
    past = new DynamicCache(
      Object.fromEntries(kept.map(([name, tensor]) => [name.replace("present", "past_key_values"), tensor])),
    );
    logits = outputs.logits.data;
  };
  return {
    info: {},
    /** @param {{ prompt: number[], tokens?: number[] }} work as in refrain.mjs */
    async time(work) {
      past = undefined;
      return { times: await timeSteps(append, work), best: indexOfGreatest(logits) };
    },
  };
}
