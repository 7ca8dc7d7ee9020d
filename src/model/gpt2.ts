/**
 * GPT-2 (Radford et al. 2019): pre-norm decoder with layer norm, learned positions, biases everywhere and a GELU
 * feed-forward four times as wide. Its hub files keep linear maps as [inputs, outputs] and q, k and v in one matrix.
 *
 *   x ← x + Wo · attention(Wqkv n),   n = layernorm(x)
 *   x ← x + W2 · gelu(W1 n),          n = layernorm(x)
 */
import type { Parameter } from "../engine/parameter.ts";
import { activate } from "./activation.ts";
import type { ModelConfig } from "./config.ts";
import { countedBy, type Family, present } from "./family.ts";

function blockParameters(c: ModelConfig, block: number) {
  const D = c.hiddenSize;
  const at = (name: string) => `transformer.h.${block}.${name}`;
  const linear = (half: "attention" | "ffn", name: string, rows: number, columns: number) => ({
    weight: {
      name: at(`${name}.weight`),
      kind: "matrix",
      rows,
      columns,
      part: half,
      block,
      half,
      transposed: true,
    } satisfies Parameter,
    bias: {
      name: at(`${name}.bias`),
      kind: "vector",
      rows: 1,
      columns: rows,
      part: half,
      block,
      half,
    } satisfies Parameter,
  });
  const norm = (half: "attention" | "ffn", name: string) => {
    const vector = { kind: "vector", rows: 1, columns: D, part: "norm", block, half } as const;
    return { weight: { ...vector, name: at(`${name}.weight`) }, bias: { ...vector, name: at(`${name}.bias`) } };
  };
  return {
    attentionNorm: norm("attention", "ln_1"),
    qkv: linear("attention", "attn.c_attn", 3 * D, D), // [3D, D]
    o: linear("attention", "attn.c_proj", D, D), // [D, D]
    ffnNorm: norm("ffn", "ln_2"),
    up: linear("ffn", "mlp.c_fc", c.ffnSize, D), // [F, D]
    down: linear("ffn", "mlp.c_proj", D, c.ffnSize), // [D, F]
  };
}

function outerParameters(c: ModelConfig) {
  const D = c.hiddenSize;
  const matrix = { kind: "matrix", columns: D } as const;
  const vector = { kind: "vector", rows: 1, columns: D, part: "norm" } as const;
  const tokens: Parameter = { ...matrix, name: "transformer.wte.weight", rows: c.vocabSize, part: "embedding" }; // [V, D]
  const positions: Parameter = { ...matrix, name: "transformer.wpe.weight", rows: c.contextLength, part: "positions" }; // [T, D]
  const head: Parameter = { ...matrix, name: "lm_head.weight", rows: c.vocabSize, part: "head" };
  return {
    tokens,
    positions,
    normWeight: { ...vector, name: "transformer.ln_f.weight" },
    normBias: { ...vector, name: "transformer.ln_f.bias" },
    head: c.tiedEmbeddings ? undefined : head,
  };
}

export const gpt2: Family = {
  outer: (c) => present(outerParameters(c)),
  block: (c, block) => Object.values(blockParameters(c, block)).flatMap(({ weight, bias }) => [weight, bias]),

  embed(g, c) {
    const p = outerParameters(c);
    return g.add(g.embed(p.tokens), g.embed(p.positions, "positions"));
  },

  attention(g, x, c, block) {
    const p = blockParameters(c, block);
    const n = g.layerNorm(x, p.attentionNorm.weight, p.attentionNorm.bias, c.normEpsilon);
    const qkv = g.linear(n, p.qkv.weight, p.qkv.bias);
    const part = (i: number) => g.columns(qkv, i * c.hiddenSize, c.hiddenSize);
    const shape = { heads: c.heads, kvHeads: c.heads, headWidth: c.headWidth };
    const a = g.attention(part(0), part(1), part(2), shape);
    return g.add(x, g.linear(a, p.o.weight, p.o.bias));
  },

  ffn(g, x, c, block) {
    const p = blockParameters(c, block);
    const n = g.layerNorm(x, p.ffnNorm.weight, p.ffnNorm.bias, c.normEpsilon);
    return g.add(
      x,
      g.linear(activate(g, g.linear(n, p.up.weight, p.up.bias), c.feedForward), p.down.weight, p.down.bias),
    );
  },

  head(g, x, c) {
    const p = outerParameters(c);
    return g.linear(g.layerNorm(x, p.normWeight, p.normBias, c.normEpsilon), p.head ?? p.tokens);
  },

  counting: countedBy("n_layer"),
  rename: (name, from, to) => name.replace(`transformer.h.${from}.`, `transformer.h.${to}.`),
};
