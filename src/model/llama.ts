/**
 * The Llama family: pre-norm decoder with RMS norm, rotary positions, grouped-query attention and SwiGLU.
 * MobileLLM, SmolLM2, TinyLlama, TinyStories (llama2.c), Llama 2 and 3, Mistral (sliding window), Qwen 2 (biases on q, k
 * and v) and Qwen 3 (RMS norm on query and key heads) are this file with other numbers.
 *
 *   x ← x + Wo · attention(rope(Wq n), rope(Wk n), Wv n),   n = rmsnorm(x)
 *   x ← x + W2 · (silu(W1 n) ⊙ W3 n),                        n = rmsnorm(x)
 *
 * Without a gate (`mlp_gate: false`) the last line is x + W2 · relu(W3 n), the feed-forward that MobileLLM's road map starts with.
 */
import type { Value } from "../engine/graph.ts";
import type { Parameter } from "../engine/parameter.ts";
import { activate } from "./activation.ts";
import type { ModelConfig } from "./config.ts";
import { countedBy, type Family, present } from "./family.ts";
import { recurrenceParameters } from "./recurrence.ts";

/** What parameters of half a block are made by. */
function half(block: number, half: "attention" | "ffn") {
  const at = (name: string) => `model.layers.${block}.${name}`;
  const vector = (name: string, columns: number, part: Parameter["part"] = "norm") =>
    ({ name: at(name), kind: "vector", rows: 1, columns, part, block, half }) satisfies Parameter;
  return {
    vector,
    matrix: (name: string, rows: number, columns: number): Parameter => ({
      name: at(`${name}.weight`),
      kind: "matrix",
      rows,
      columns,
      part: half,
      block,
      half,
    }),
    bias: (wanted: boolean, name: string, columns: number) =>
      wanted ? vector(`${name}.bias`, columns, half) : undefined,
  };
}

function attentionParameters(c: ModelConfig, block: number) {
  const { hiddenSize: D, heads, kvHeads, headWidth } = c;
  const { vector, matrix, bias } = half(block, "attention");
  const qkNorm = (name: string) => (c.queryKeyNorm ? vector(name, headWidth) : undefined);
  return {
    norm: vector("input_layernorm.weight", D),
    q: matrix("self_attn.q_proj", heads * headWidth, D), // [H·d, D]
    qBias: bias(c.bias.qkv, "self_attn.q_proj", heads * headWidth),
    qNorm: qkNorm("self_attn.q_norm.weight"),
    k: matrix("self_attn.k_proj", kvHeads * headWidth, D), // [Hkv·d, D]
    kBias: bias(c.bias.qkv, "self_attn.k_proj", kvHeads * headWidth),
    kNorm: qkNorm("self_attn.k_norm.weight"),
    v: matrix("self_attn.v_proj", kvHeads * headWidth, D), // [Hkv·d, D]
    vBias: bias(c.bias.qkv, "self_attn.v_proj", kvHeads * headWidth),
    o: matrix("self_attn.o_proj", D, heads * headWidth), // [D, H·d]
    oBias: bias(c.bias.output, "self_attn.o_proj", D),
  };
}

function ffnParameters(c: ModelConfig, block: number) {
  const { hiddenSize: D, ffnSize: F } = c;
  const { vector, matrix, bias } = half(block, "ffn");
  const gated = c.feedForward === "swiglu";
  return {
    norm: vector("post_attention_layernorm.weight", D),
    gate: gated ? matrix("mlp.gate_proj", F, D) : undefined, // [F, D]
    gateBias: bias(gated && c.bias.ffn, "mlp.gate_proj", F),
    up: matrix("mlp.up_proj", F, D), // [F, D]
    upBias: bias(c.bias.ffn, "mlp.up_proj", F),
    down: matrix("mlp.down_proj", D, F), // [D, F]
    downBias: bias(c.bias.ffn, "mlp.down_proj", D),
  };
}

function outerParameters(c: ModelConfig) {
  const table = { kind: "matrix", rows: c.vocabSize, columns: c.hiddenSize } as const; // [V, D]
  const embedding: Parameter = { ...table, name: "model.embed_tokens.weight", part: "embedding" };
  const norm: Parameter = { name: "model.norm.weight", kind: "vector", rows: 1, columns: c.hiddenSize, part: "norm" };
  const head: Parameter = { ...table, name: "lm_head.weight", part: "head" };
  return { embedding, norm, head: c.tiedEmbeddings ? undefined : head };
}

export const llama: Family = {
  outer: (c) => [...present(outerParameters(c)), ...recurrenceParameters(c)],
  block: (c, block) => [...present(attentionParameters(c, block)), ...present(ffnParameters(c, block))],

  embed: (g, c) => g.embed(outerParameters(c).embedding),

  attention(g, x, c, block, table) {
    const p = attentionParameters(c, block);
    const window = c.windows[block];
    const n = g.rmsNorm(x, p.norm, c.normEpsilon);
    let q = g.linear(n, p.q, p.qBias);
    let k = g.linear(n, p.k, p.kBias);
    const v = g.linear(n, p.v, p.vBias);
    if (p.qNorm) q = g.headNorm(q, p.qNorm, c.heads, c.normEpsilon);
    if (p.kNorm) k = g.headNorm(k, p.kNorm, c.kvHeads, c.normEpsilon);
    q = g.rope(q, c.heads, c.headWidth, table);
    k = g.rope(k, c.kvHeads, c.headWidth, table);
    const shape = { heads: c.heads, kvHeads: c.kvHeads, headWidth: c.headWidth };
    const a = g.attention(q, k, v, window === undefined ? shape : { ...shape, window });
    return g.add(x, g.linear(a, p.o, p.oBias));
  },

  ffn(g, x, c, block) {
    const p = ffnParameters(c, block);
    const n = g.rmsNorm(x, p.norm, c.normEpsilon);
    const up = (): Value => g.linear(n, p.up, p.upBias);
    const h = p.gate ? g.swiglu(g.linear(n, p.gate, p.gateBias), up()) : activate(g, up(), c.feedForward);
    return g.add(x, g.linear(h, p.down, p.downBias));
  },

  head(g, x, c) {
    const p = outerParameters(c);
    return g.linear(g.rmsNorm(x, p.norm, c.normEpsilon), p.head ?? p.embedding);
  },

  counting: countedBy("num_hidden_layers"),
  rename: (name, from, to) => name.replace(`model.layers.${from}.`, `model.layers.${to}.`),
};
