/**
 * ALBERT (Lan et al. 2020, arXiv 1909.11942): an encoder that predicts masked tokens from both sides. Its layers share their
 * weights, and its embeddings are E wide where the residual stream is D:
 *
 *   x ← We · layernorm(token + position + type 0) + be                   E → D, section 3.1
 *   x ← layernorm(x + Wo · attention(Wq x, Wk x, Wv x))                  the norm stands behind the sum, as in BERT
 *   x ← layernorm(x + W2 · gelu(W1 x))
 *   logits = token · layernorm(gelu(Wm x)) + b                           D → E → vocabulary, the table of tokens again
 *
 * A block is one layer of one group of a Hugging Face checkpoint. Which of them are played how often is the schedule's: `0x12` is what the paper shares, `a0 f0 a0 f1 …` shares attention alone, `a0 f0 a1 f0 …` feed-forwards,
 * `0-11` nothing. Tokens are all of segment 0. Not here: sentence order, and the pooler that it needs.
 */
import type { Value } from "../engine/graph.ts";
import type { Parameter } from "../engine/parameter.ts";
import { type Step, type Steps, sameSteps } from "../schedule/schedule.ts";
import { inOneGroup } from "../weights/albert-names.ts";
import { activate } from "./activation.ts";
import type { ModelConfig } from "./config.ts";
import { type Family, present } from "./family.ts";

type Half = "attention" | "ffn";

/** Blocks are counted through all groups, whatever the file has (weights/albert-names.ts). */
const blockName = (block: number): string => `albert.encoder.albert_layer_groups.${block}.albert_layers.0.`;

function blockParameters(c: ModelConfig, block: number) {
  const { hiddenSize: D, ffnSize: F } = c;
  const at = blockName(block);
  const own = (half: Half) => ({ block, half });
  const vector = (half: Half, name: string, columns: number, part: Parameter["part"]) =>
    ({ ...own(half), name: at + name, kind: "vector", rows: 1, columns, part }) satisfies Parameter;
  const linear = (half: Half, name: string, rows: number, columns: number) => ({
    weight: {
      ...own(half),
      name: `${at}${name}.weight`,
      kind: "matrix",
      rows,
      columns,
      part: half,
    } satisfies Parameter,
    bias: vector(half, `${name}.bias`, rows, half),
  });
  const norm = (half: Half, name: string) => ({
    weight: vector(half, `${name}.weight`, D, "norm"),
    bias: vector(half, `${name}.bias`, D, "norm"),
  });
  return {
    q: linear("attention", "attention.query", D, D), // [D, D]
    k: linear("attention", "attention.key", D, D), // [D, D]
    v: linear("attention", "attention.value", D, D), // [D, D]
    o: linear("attention", "attention.dense", D, D), // [D, D]
    attentionNorm: norm("attention", "attention.LayerNorm"),
    up: linear("ffn", "ffn", F, D), // [F, D]
    down: linear("ffn", "ffn_output", D, F), // [D, F]
    ffnNorm: norm("ffn", "full_layer_layer_norm"),
  };
}

function outerParameters(c: ModelConfig) {
  const { vocabSize: V, hiddenSize: D, embeddingSize: E } = c;
  const matrix = (name: string, rows: number, columns: number, part: Parameter["part"]): Parameter => ({
    name,
    kind: "matrix",
    rows,
    columns,
    part,
  });
  const vector = (name: string, columns: number, part: Parameter["part"]): Parameter => ({
    name,
    kind: "vector",
    rows: 1,
    columns,
    part,
  });
  const embeddings = "albert.embeddings.";
  const map = "albert.encoder.embedding_hidden_mapping_in.";
  return {
    tokens: matrix(`${embeddings}word_embeddings.weight`, V, E, "embedding"), // [V, E]
    positions: matrix(`${embeddings}position_embeddings.weight`, c.contextLength, E, "positions"), // [T, E]
    types: matrix(`${embeddings}token_type_embeddings.weight`, c.tokenTypes, E, "positions"), // [types, E]
    normWeight: vector(`${embeddings}LayerNorm.weight`, E, "norm"),
    normBias: vector(`${embeddings}LayerNorm.bias`, E, "norm"),
    map: matrix(`${map}weight`, D, E, "projection"), // [D, E]
    mapBias: vector(`${map}bias`, D, "projection"),
    dense: matrix("predictions.dense.weight", E, D, "head"), // [E, D]
    denseBias: vector("predictions.dense.bias", E, "head"),
    headNormWeight: vector("predictions.LayerNorm.weight", E, "norm"),
    headNormBias: vector("predictions.LayerNorm.bias", E, "norm"),
    decoder: c.tiedEmbeddings ? undefined : matrix("predictions.decoder.weight", V, E, "head"), // [V, E]
    decoderBias: vector("predictions.bias", V, "head"),
  };
}

export const albert: Family = {
  outer: (c) => present(outerParameters(c)),
  block: (c, block) => Object.values(blockParameters(c, block)).flatMap(({ weight, bias }) => [weight, bias]),

  embed(g, c) {
    const p = outerParameters(c);
    const e = g.add(g.add(g.embed(p.tokens), g.embed(p.positions, "positions")), g.embed(p.types, "first"));
    return g.linear(g.layerNorm(e, p.normWeight, p.normBias, c.normEpsilon), p.map, p.mapBias);
  },

  attention(g, x, c, block) {
    const p = blockParameters(c, block);
    const [q, k, v] = [p.q, p.k, p.v].map(({ weight, bias }) => g.linear(x, weight, bias)) as [Value, Value, Value];
    const shape = { heads: c.heads, kvHeads: c.heads, headWidth: c.headWidth, bidirectional: true };
    const a = g.add(x, g.linear(g.attention(q, k, v, shape), p.o.weight, p.o.bias));
    return g.layerNorm(a, p.attentionNorm.weight, p.attentionNorm.bias, c.normEpsilon);
  },

  ffn(g, x, c, block) {
    const p = blockParameters(c, block);
    const h = activate(g, g.linear(x, p.up.weight, p.up.bias), c.feedForward);
    const f = g.add(x, g.linear(h, p.down.weight, p.down.bias));
    return g.layerNorm(f, p.ffnNorm.weight, p.ffnNorm.bias, c.normEpsilon);
  },

  head(g, x, c) {
    const p = outerParameters(c);
    const h = activate(g, g.linear(x, p.dense, p.denseBias), c.feedForward);
    const n = g.layerNorm(h, p.headNormWeight, p.headNormBias, c.normEpsilon);
    return g.linear(n, p.decoder ?? p.tokens, p.decoderBias);
  },

  counting(blocks, steps) {
    // A group of one layer for each block, or one group of all, played round by round: whichever says what is played.
    const layouts = [
      { num_hidden_layers: steps.length, num_hidden_groups: blocks, inner_group_num: 1 },
      { num_hidden_layers: Math.floor(steps.length / blocks), num_hidden_groups: 1, inner_group_num: blocks },
    ] as const;
    const plays = layouts.map((keys) =>
      albertSteps(keys.num_hidden_layers, keys.num_hidden_groups, keys.inner_group_num),
    );
    const fitting = plays.findIndex((own) => sameSteps(own, steps));
    const chosen = Math.max(0, fitting);
    return { keys: layouts[chosen]!, plays: plays[chosen]!, ...(chosen === 1 && { stored: inOneGroup }) };
  },
  rename: (name, from, to) => name.replace(blockName(from), blockName(to)),
};

/** What transformers plays: layer i is group ⌊i / (layers / groups)⌋, each of its layers once. */
export function albertSteps(layers: number, groups: number, inner: number): Steps {
  return Array.from({ length: layers }, (_, layer) => {
    const group = Math.trunc(layer / (layers / groups));
    return Array.from({ length: inner }, (_, i): Step => ({ block: group * inner + i, part: "block" }));
  }).flat();
}
