/** TensorFlow.js with its WebAssembly backend: SIMD; in Node without threads, which it looks for as a browser has them. */
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { batch, engine, firstWeights, headWidth, recipe, rotary, shape } from "./model.mjs";

const { sequences, length, heads, width, blocks, vocabulary, epsilon } = shape;

const norm = (x, weight) => tf.mul(tf.div(x, tf.sqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon))), weight);
const linear = (x, weight) => tf.matMul(x, weight, false, true);
const byHead = (x) => tf.transpose(tf.reshape(x, [sequences, length, heads, headWidth]), [0, 2, 1, 3]);

function rotate(x, { cosines, sines }) {
  const [low, high] = tf.split(x, 2, -1);
  const first = tf.sub(tf.mul(low, cosines), tf.mul(high, sines));
  return tf.concat([first, tf.add(tf.mul(high, cosines), tf.mul(low, sines))], -1);
}

/** Tokens and targets are one-hot rows: the embedding is a product, since the gradient of `gather` has no WebAssembly kernel. */
function lossOf(p, { tokens, targets, table, mask }) {
  let x = tf.matMul(tokens, p["model.embed_tokens.weight"]);
  for (let block = 0; block < blocks; block++) {
    const of = (name) => p[`model.layers.${block}.${name}.weight`];
    const y = norm(x, of("input_layernorm"));
    const [q, k, v] = ["q", "k", "v"].map((name) => byHead(linear(y, of(`self_attn.${name}_proj`))));
    const scores = tf.mul(tf.matMul(rotate(q, table), rotate(k, table), false, true), headWidth ** -0.5);
    const attended = tf.transpose(tf.matMul(tf.softmax(tf.add(scores, mask)), v), [0, 2, 1, 3]);
    x = tf.add(x, linear(tf.reshape(attended, [sequences * length, width]), of("self_attn.o_proj")));
    const z = norm(x, of("post_attention_layernorm"));
    const gate = linear(z, of("mlp.gate_proj"));
    const gated = tf.mul(tf.mul(gate, tf.sigmoid(gate)), linear(z, of("mlp.up_proj")));
    x = tf.add(x, linear(gated, of("mlp.down_proj")));
  }
  const logits = linear(norm(x, p["model.norm.weight"]), p["model.embed_tokens.weight"]);
  return tf.mul(tf.sum(tf.mul(tf.logSoftmax(logits), targets)), -1 / (sequences * length));
}

export async function open() {
  await tf.setBackend("wasm");
  await tf.ready();
  const { tokens, targets } = batch();
  const oneHot = (ids) => tf.cast(tf.oneHot(tf.tensor1d(ids, "int32"), vocabulary), "float32");
  const { cosines, sines } = rotary();
  const half = [length, headWidth / 2];
  const causal = Float32Array.from({ length: length ** 2 }, (_, i) => (i % length > Math.floor(i / length) ? -1e9 : 0));
  const given = {
    tokens: oneHot(tokens),
    targets: oneHot(targets),
    table: { cosines: tf.tensor(cosines, half), sines: tf.tensor(sines, half) },
    mask: tf.tensor(causal, [length, length]),
  };
  const all = [...firstWeights()].map(([name, values, of]) => ({
    name,
    decay: of.length === 2 ? recipe.decay : 0,
    weights: tf.variable(tf.tensor(values, of), true, name),
    first: tf.variable(tf.zeros(of)),
    second: tf.variable(tf.zeros(of)),
  }));
  const parameters = Object.fromEntries(all.map(({ name, weights }) => [name, weights]));
  let steps = 0;
  const step = () =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => lossOf(parameters, given));
      const total = tf.sqrt(tf.addN(all.map(({ name }) => tf.sum(tf.square(grads[name])))));
      const clip = Math.min(1, recipe.clip / (total.dataSync()[0] + 1e-6));
      steps++;
      const rate = recipe.rate / (1 - recipe.beta1 ** steps);
      const root = 1 / Math.sqrt(1 - recipe.beta2 ** steps);
      for (const { name, decay, weights, first, second } of all) {
        const g = tf.mul(grads[name], clip);
        first.assign(tf.add(tf.mul(first, recipe.beta1), tf.mul(g, 1 - recipe.beta1)));
        second.assign(tf.add(tf.mul(second, recipe.beta2), tf.mul(tf.square(g), 1 - recipe.beta2)));
        const move = tf.div(tf.mul(first, rate), tf.add(tf.mul(tf.sqrt(second), root), recipe.epsilon));
        weights.assign(tf.sub(tf.mul(weights, 1 - recipe.rate * decay), move));
      }
      return value.dataSync()[0];
    });
  const simd = await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT");
  return engine(step, { engine: `TensorFlow.js, wasm${simd ? ", SIMD" : ""}` });
}
