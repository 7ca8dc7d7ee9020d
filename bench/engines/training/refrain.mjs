/** Refrain's learner: a step is `accumulate` of one batch and `update`. */
import { nodeHost } from "../../../dist/engine/wasm/node-host.js";
import { ParameterStore } from "../../../dist/engine/wasm/parameter-store.js";
import { WasmPlayer } from "../../../dist/engine/wasm/player.js";
import { parseConfig } from "../../../dist/model/config.js";
import { ropeTable } from "../../../dist/model/rope.js";
import { trainingNetwork } from "../../../dist/model/training-network.js";
import { resolveSchedule } from "../../../dist/refrain.js";
import { Learner } from "../../../dist/train/learner.js";
import { planLearner } from "../../../dist/train/learner-plan.js";
import { batch, engine, firstWeights, recipe, shape } from "./model.mjs";

const config = parseConfig(
  {
    model_type: "llama",
    hidden_size: shape.width,
    intermediate_size: shape.hidden,
    num_hidden_layers: shape.blocks,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.heads,
    vocab_size: shape.vocabulary,
    max_position_embeddings: shape.length,
    rms_norm_eps: shape.epsilon,
    rope_theta: shape.theta,
    tie_word_embeddings: true,
  },
  "bench",
);

/** The learner with first weights, and what the process had taken before. */
export async function makeLearner(threads) {
  const table = ropeTable(config.rope, config.headWidth, shape.length);
  const { graph } = trainingNetwork(config, resolveSchedule(config, undefined), { table, trained: () => true });
  const planned = planLearner(graph, { sequences: shape.sequences, length: shape.length, threads });
  const before = process.memoryUsage.rss();
  const player = await WasmPlayer.create(nodeHost, { threads });
  const store = new ParameterStore(player);
  const { beta1, beta2, epsilon, decay } = recipe;
  const group = ({ kind }) => ({ decay: kind === "matrix" ? decay : 0 });
  const learner = new Learner(player, store, planned, { beta1, beta2, epsilon, group });
  const parameters = new Map(learner.trained.map((parameter) => [parameter.name, parameter]));
  const room = new Float32Array(Math.max(...learner.trained.map(({ rows, columns }) => rows * columns)));
  for (const [name, values] of firstWeights(room)) learner.writeParameter(parameters.get(name), values);
  return { learner, player, planned, before };
}

/** @param {{ threads: number }} options */
export async function open({ threads }) {
  const { learner, player, planned, before } = await makeLearner(threads);
  const inKernels = timePlays(player);
  const { tokens, targets } = batch();
  const { rate, clip } = recipe;
  const step = () => {
    const loss = learner.accumulate(tokens, targets);
    learner.update({ rate, clip });
    return loss;
  };
  const { info, time } = await engine(step, { engine: player.describe(), planned: planned.memory.total, before });
  return {
    info,
    async time(work) {
      const begin = inKernels();
      const { times } = await time(work);
      const all = times.reduce((sum, ms) => sum + ms, 0);
      return { times, outside: (all - (inKernels() - begin)) / work.steps };
    },
  };
}

/** Milliseconds that plays have taken, from the call into wasm to its return; all else of a step is JavaScript. */
function timePlays(player) {
  let sum = 0;
  const { play } = player.kernels;
  player.kernels = {
    ...player.kernels,
    play(threads) {
      const begin = performance.now();
      play(threads);
      sum += performance.now() - begin;
    },
  };
  return () => sum;
}
