/**
 * ONNX Runtime's own processor kernels through onnxruntime-node, on the graph of onnx/decoder.mjs. The cache grows: every token's
 * outputs are the next one's inputs, as tensors that are never copied by us. (One buffer of 512 positions, bound as input and
 * output at once, was slower: 5.8 ms a token instead of 4.2; GroupQueryAttention's time follows the size of the buffer.) The
 * logits go to a tensor that is allocated once.
 */
import { InferenceSession, Tensor } from "onnxruntime-node";
import { indexOfGreatest } from "./logits.mjs";
import { timeSteps } from "./steps.mjs";

/** @param {{ path: string, threads: number }} options `path` of an .onnx file */
export async function open({ path, threads }) {
  const session = await InferenceSession.create(path, {
    executionProviders: ["cpu"],
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  /** Past and present of each step's keys and values. */
  const caches = session.inputMetadata
    .filter(({ name }) => name.startsWith("past_key_values."))
    .map(({ name, shape: [, heads, , width] }) => ({
      past: name,
      present: name.replace("past_key_values", "present"),
      empty: new Tensor("float32", new Float32Array(0), [1, heads, 0, width]),
    }));
  const vocabulary = session.outputMetadata.find(({ name }) => name === "logits").shape[2];
  const logits = new Float32Array(vocabulary);
  const fetches = Object.fromEntries(session.outputNames.map((name) => [name, null]));
  fetches.logits = new Tensor("float32", logits, [1, 1, vocabulary]);
  const feeds = {};

  /** Appends tokens at `position`, logits for the last. */
  const append = async (tokens, position) => {
    const total = position + tokens.length;
    feeds.input_ids = new Tensor("int64", BigInt64Array.from(tokens, BigInt), [1, tokens.length]);
    feeds.attention_mask = new Tensor("int64", new BigInt64Array(total).fill(1n), [1, total]);
    const results = await session.run(feeds, fetches);
    for (const { past, present } of caches) feeds[past] = results[present];
  };
  return {
    info: {},
    /** @param {{ prompt: number[], tokens?: number[] }} work as in refrain.mjs */
    async time(work) {
      for (const { past, empty } of caches) feeds[past] = empty;
      return { times: await timeSteps(append, work), best: indexOfGreatest(logits) };
    },
  };
}
