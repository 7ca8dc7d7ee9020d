/** jax-js on its WebAssembly device: loss, gradients, clipping and AdamW are one `jit`. It needs Node ≥ 22, where it has one thread. */
import { defaultDevice, init, jit, nn, numpy as np, valueAndGrad } from "@jax-js/jax";
import { batch, engine, firstWeights, headWidth, recipe, rotary, shape } from "./model.mjs";

const { sequences, length, heads, width, blocks, vocabulary, epsilon } = shape;

const array = (values, of) => np.array(values).reshape(of);

function norm(x, weight) {
  const scale = np.sqrt(np.mean(np.square(x.ref), -1, { keepdims: true }).add(epsilon));
  return x.div(scale).mul(weight);
}

const linear = (x, weight) => np.matmul(x, weight.transpose());

/** Arrays that are used more than once are used as `.ref`; what is left is disposed of by whoever calls. */
function rotate(x, { cosines, sines }) {
  const [low, high] = np.split(x, 2, -1);
  const first = low.ref.mul(cosines.ref).sub(high.ref.mul(sines.ref));
  return np.concatenate([first, high.mul(cosines.ref).add(low.mul(sines.ref))], -1);
}

/** Tokens and targets are one-hot rows: the embedding is a product. */
function lossOf(p, tokens, targets, table) {
  let x = np.matmul(tokens, p["model.embed_tokens.weight"].ref);
  for (let block = 0; block < blocks; block++) {
    const of = (name) => p[`model.layers.${block}.${name}.weight`].ref;
    const y = norm(x.ref, of("input_layernorm"));
    const project = (name) =>
      linear(y.ref, of(`self_attn.${name}_proj`)).reshape([sequences, length, heads, headWidth]);
    const [q, k, v] = [rotate(project("q"), table), rotate(project("k"), table), project("v")];
    const attended = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([sequences * length, width]);
    y.dispose();
    x = x.add(linear(attended, of("self_attn.o_proj")));
    const z = norm(x.ref, of("post_attention_layernorm"));
    const gated = nn.silu(linear(z.ref, of("mlp.gate_proj"))).mul(linear(z, of("mlp.up_proj")));
    x = x.add(linear(gated, of("mlp.down_proj")));
  }
  const logits = linear(norm(x, p["model.norm.weight"].ref), p["model.embed_tokens.weight"].ref);
  for (const rest of [...Object.values(p), table.cosines, table.sines]) rest.dispose();
  return nn
    .logSoftmax(logits, -1)
    .mul(targets)
    .sum()
    .div(-sequences * length);
}

const lossAndGradients = valueAndGrad(lossOf);

/** `correction`: rate / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ). */
function update(p, first, second, tokens, targets, table, correction) {
  const [loss, gradients] = lossAndGradients(keep(p), tokens, targets, table);
  const names = Object.keys(p);
  const squares = names.map((name) => np.square(gradients[name].ref).sum());
  const total = np.sqrt(squares.reduce((sum, one) => sum.add(one)));
  const clip = np.minimum(np.array(recipe.clip).div(total.add(1e-6)), 1);
  const rest = { weights: {}, first: {}, second: {} };
  for (const name of names) {
    const g = gradients[name].mul(clip.ref);
    const m = first[name].mul(recipe.beta1).add(g.ref.mul(1 - recipe.beta1));
    const v = second[name].mul(recipe.beta2).add(np.square(g).mul(1 - recipe.beta2));
    const decay = p[name].ndim === 2 ? 1 - recipe.rate * recipe.decay : 1;
    const move = m.ref.mul(correction.rate.ref).div(np.sqrt(v.ref).mul(correction.root.ref).add(recipe.epsilon));
    rest.weights[name] = p[name].mul(decay).sub(move);
    rest.first[name] = m;
    rest.second[name] = v;
  }
  for (const done of [clip, correction.rate, correction.root]) done.dispose();
  return [loss, rest];
}

const keep = (tree) => Object.fromEntries(Object.entries(tree).map(([name, value]) => [name, value.ref]));

export async function open() {
  await init("wasm");
  defaultDevice("wasm");
  const { tokens, targets } = batch();
  const oneHot = (ids) => nn.oneHot(np.array(ids), vocabulary);
  const { cosines, sines } = rotary();
  const half = [length, 1, headWidth / 2];
  const constant = { tokens: oneHot(tokens), targets: oneHot(targets) };
  const table = { cosines: array(cosines, half), sines: array(sines, half) };
  const zeros = () => Object.fromEntries([...firstWeights()].map(([name, , of]) => [name, np.zeros(of)]));
  const weights = Object.fromEntries([...firstWeights()].map(([name, values, of]) => [name, array(values, of)]));
  let state = { weights, first: zeros(), second: zeros() };
  const compiled = jit(update);
  let steps = 0;
  const step = async () => {
    steps++;
    const correction = {
      rate: np.array(recipe.rate / (1 - recipe.beta1 ** steps)),
      root: np.array(1 / Math.sqrt(1 - recipe.beta2 ** steps)),
    };
    const { weights: p, first, second } = state;
    const [loss, next] = compiled(p, first, second, constant.tokens.ref, constant.targets.ref, keep(table), correction);
    state = next;
    const value = (await loss.data())[0];
    // All that was asked for is computed when the last of it can be read.
    for (const tree of Object.values(next)) for (const one of Object.values(tree)) await one.blockUntilReady();
    return value;
  };
  return engine(step, { engine: `jax-js, Node ${process.version}` });
}
