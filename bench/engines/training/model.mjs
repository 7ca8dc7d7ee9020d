/** What every engine trains: one Llama, its first weights, one batch, one recipe. */

export const shape = {
  blocks: 6,
  width: 288,
  hidden: 768,
  heads: 6,
  vocabulary: 512,
  sequences: 4,
  length: 128,
  epsilon: 1e-5,
  theta: 10000,
};
export const headWidth = shape.width / shape.heads;
export const tokensOfStep = shape.sequences * shape.length;

/** AdamW, gradients clipped by their norm; matrices decay, norms do not. */
export const recipe = { rate: 3e-4, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1 };

const blockShapes = ({ width, hidden }) => ({
  "input_layernorm.weight": [width],
  "self_attn.q_proj.weight": [width, width],
  "self_attn.k_proj.weight": [width, width],
  "self_attn.v_proj.weight": [width, width],
  "self_attn.o_proj.weight": [width, width],
  "post_attention_layernorm.weight": [width],
  "mlp.gate_proj.weight": [hidden, width],
  "mlp.up_proj.weight": [hidden, width],
  "mlp.down_proj.weight": [width, hidden],
});

/** Each tensor once, by the name that Hugging Face gives it: its shape. */
export const tensors = {
  "model.embed_tokens.weight": [shape.vocabulary, shape.width],
  "model.norm.weight": [shape.width],
  ...Object.fromEntries(
    Array.from({ length: shape.blocks }, (_, block) =>
      Object.entries(blockShapes(shape)).map(([name, of]) => [`model.layers.${block}.${name}`, of]),
    ).flat(),
  ),
};

/** Multiply, add, take the upper half: the same numbers in every process (Numerical Recipes' constants). */
function* uniform(seed) {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

/**
 * First weights, tensor by tensor: norms 1, all else within ±0.035 (a deviation of 0.02). Who copies them at once may give
 * the `room` for one after the other.
 */
export function* firstWeights(room) {
  const random = uniform(1);
  for (const [name, of] of Object.entries(tensors)) {
    const count = of.reduce((product, size) => product * size);
    const values = (room?.subarray(0, count) ?? new Float32Array(count)).fill(1);
    if (of.length === 2) for (let i = 0; i < count; i++) values[i] = 0.07 * (random.next().value - 0.5);
    yield [name, values, of];
  }
}

/** The one batch: random tokens, and as targets those that follow. Both [sequences × length]. */
export function batch() {
  const random = uniform(2);
  const { sequences, length, vocabulary } = shape;
  const rows = Array.from({ length: sequences }, () =>
    Array.from({ length: length + 1 }, () => Math.floor(random.next().value * vocabulary)),
  );
  return {
    tokens: Int32Array.from(rows.flatMap((row) => row.slice(0, -1))),
    targets: Int32Array.from(rows.flatMap((row) => row.slice(1))),
  };
}

/** Cosines and sines [length, headWidth / 2] for engines that bring none. */
export function rotary() {
  const half = headWidth / 2;
  const angles = Float64Array.from({ length: shape.length * half }, (_, i) => {
    return Math.floor(i / half) / shape.theta ** ((i % half) / half);
  });
  return { cosines: Float32Array.from(angles, Math.cos), sines: Float32Array.from(angles, Math.sin) };
}

/** The engine that a function of one step makes: it returns the loss from before the step. */
export async function engine(step, info) {
  // The first losses show that engines compute the same, forward, backward and optimizer.
  const losses = [];
  for (let i = 0; i < 3; i++) losses.push(await step());
  return {
    info: { ...info, losses },
    /** @param {{ steps: number }} work milliseconds of each step */
    async time({ steps }) {
      const times = [];
      for (let i = 0; i < steps; i++) {
        const begin = performance.now();
        await step();
        times.push(performance.now() - begin);
      }
      return { times };
    },
  };
}
