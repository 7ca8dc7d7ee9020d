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

function blockParameters(c: ModelConfig, block: number) {
  const { hiddenSize: D, ffnSize: F, heads, kvHeads, headWidth } = c;
  const at = (name: string) => `model.layers.${block}.${name}`;
  const matrix = (half: "attention" | "ffn", name: string, rows: number, columns: number): Parameter => ({
    name: at(`${name}.weight`),
    kind: "matrix",
    rows,
    columns,
    part: half,
    block,
    half,
  });
  const vector = (half: "attention" | "ffn", name: string, columns: number, part: Parameter["part"] = "norm") =>
    ({ name: at(name), kind: "vector", rows: 1, columns, part, block, half }) satisfies Parameter;
  const bias = (wanted: boolean, half: "attention" | "ffn", name: string, columns: number) =>
    wanted ? vector(half, `${name}.bias`, columns, half) : undefined;
  const gated = c.feedForward === "swiglu";
  const qkNorm = (name: string) => (c.queryKeyNorm ? vector("attention", name, headWidth) : undefined);

  return {
    attentionNorm: vector("attention", "input_layernorm.weight", D),
    q: matrix("attention", "self_attn.q_proj", heads * headWidth, D), // [H·d, D]
    qBias: bias(c.bias.qkv, "attention", "self_attn.q_proj", heads * headWidth),
    qNorm: qkNorm("self_attn.q_norm.weight"),
    k: matrix("attention", "self_attn.k_proj", kvHeads * headWidth, D), // [Hkv·d, D]
    kBias: bias(c.bias.qkv, "attention", "self_attn.k_proj", kvHeads * headWidth),
    kNorm: qkNorm("self_attn.k_norm.weight"),
    v: matrix("attention", "self_attn.v_proj", kvHeads * headWidth, D), // [Hkv·d, D]
    vBias: bias(c.bias.qkv, "attention", "self_attn.v_proj", kvHeads * headWidth),
    o: matrix("attention", "self_attn.o_proj", D, heads * headWidth), // [D, H·d]
    oBias: bias(c.bias.output, "attention", "self_attn.o_proj", D),
    ffnNorm: vector("ffn", "post_attention_layernorm.weight", D),
    gate: gated ? matrix("ffn", "mlp.gate_proj", F, D) : undefined, // [F, D]
    gateBias: bias(gated && c.bias.ffn, "ffn", "mlp.gate_proj", F),
    up: matrix("ffn", "mlp.up_proj", F, D), // [F, D]
    upBias: bias(c.bias.ffn, "ffn", "mlp.up_proj", F),
    down: matrix("ffn", "mlp.down_proj", D, F), // [D, F]
    downBias: bias(c.bias.ffn, "ffn", "mlp.down_proj", D),
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
  block: (c, block) => present(blockParameters(c, block)),

  embed: (g, c) => g.embed(outerParameters(c).embedding),

  attention(g, x, c, block, table) {
    const p = blockParameters(c, block);
    const window = c.windows[block];
    const n = g.rmsNorm(x, p.attentionNorm, c.normEpsilon);
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
    const p = blockParameters(c, block);
    const n = g.rmsNorm(x, p.ffnNorm, c.normEpsilon);
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
