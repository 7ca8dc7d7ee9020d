/**
 * A Llama as an ONNX graph, in the operators that the exports of transformers.js and onnxruntime-genai use: quantized products
 * (MatMulNBits, integer arithmetic), GroupQueryAttention that turns queries and keys and appends to the cache, norms with the
 * residual addition inside. Inputs and outputs have the names that transformers.js looks for.
 */
import { openCheckpoint } from "../../dist/weights/open.js";
import { dynamicLinear } from "./dynamic.mjs";
import { dataTypes, GraphBuilder } from "./schema.mjs";
import { BLOCK, floats, quantized } from "./weights.mjs";

/** Positions that the tables of sines and cosines have. */
const POSITIONS = 2048;
/** MatMulNBits: activations are rounded to 8 bits and multiplied as integers; its fastest way. */
const INTEGERS = 4;

/**
 * The bytes of an .onnx file.
 * @param {string} gguf path of a Llama with Q4_0 or Q8_0 weights
 * @param {number} plays how often each block is played, one play after the other: nodes share the block's constants
 * @param {boolean} dynamic products in the form of dynamic.mjs instead of MatMulNBits
 */
export async function decoderFromGguf(gguf, plays, dynamic = false) {
  const checkpoint = await openCheckpoint(gguf);
  try {
    return (await build(checkpoint, plays, dynamic)).encode();
  } finally {
    await checkpoint.close();
  }
}

async function build(checkpoint, plays, dynamic) {
  const { config } = checkpoint;
  const width = config.hidden_size;
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads;
  const head = config.head_dim ?? width / heads;
  const epsilon = config.rms_norm_eps;
  const graph = new GraphBuilder();

  const linear = (dynamic ? dynamicLinear : blockLinear)(graph, checkpoint);
  const norms = new Set();
  const norm = async (name) => {
    if (!norms.has(name)) {
      const { dims, data } = await floats(checkpoint, name);
      graph.constant(name, "float32", dims, data);
      norms.add(name);
    }
    return name;
  };

  const lengths = sequenceLengths(graph);
  const rope = ropeTables(graph, head, config.rope_theta);
  const table = await floats(checkpoint, "model.embed_tokens.weight");
  graph.constant("embeddings", "float32", table.dims, table.data);
  const tokens = graph.input("input_ids", "int64", ["batch_size", "sequence"]);
  let hidden = graph.node("Gather", ["embeddings", tokens], ["embedded"]);
  /** What the last product gave, not yet added to `hidden`. */
  let update;
  const addAndNorm = async (name, output) => {
    const weight = await norm(name);
    if (update === undefined) {
      const ints = { axis: -1, stash_type: 1 };
      return graph.node("SimplifiedLayerNormalization", [hidden, weight], [output], ints, { epsilon });
    }
    const sum = `${output} sum`;
    const op = "com.microsoft:SkipSimplifiedLayerNormalization";
    graph.node(op, [hidden, update, weight], [output, "", "", sum], {}, { epsilon });
    hidden = sum;
    return output;
  };

  for (let step = 0; step < config.num_hidden_layers * plays; step++) {
    const block = `model.layers.${Math.floor(step / plays)}`;
    const at = (name) => `${step} ${name}`;
    const normed = await addAndNorm(`${block}.input_layernorm.weight`, at("attention norm"));
    const project = (name) => linear(normed, `${block}.self_attn.${name}_proj.weight`, at(name));
    const [q, k, v] = [await project("q"), await project("k"), await project("v")];
    const cache = ["key", "value"].map((name) => {
      const dims = (positions) => ["batch_size", kvHeads, positions, head];
      graph.output(`present.${step}.${name}`, "float32", dims("total"));
      return graph.input(`past_key_values.${step}.${name}`, "float32", dims("past"));
    });
    const attended = graph.node(
      "com.microsoft:GroupQueryAttention",
      [q, k, v, ...cache, ...lengths, ...rope],
      [at("attended"), `present.${step}.key`, `present.${step}.value`],
      { num_heads: heads, kv_num_heads: kvHeads, do_rotary: 1, rotary_interleaved: 0 },
    );
    update = await linear(attended, `${block}.self_attn.o_proj.weight`, at("o"));
    const ready = await addAndNorm(`${block}.post_attention_layernorm.weight`, at("ffn norm"));
    const gate = await linear(ready, `${block}.mlp.gate_proj.weight`, at("gate"));
    const up = await linear(ready, `${block}.mlp.up_proj.weight`, at("up"));
    const silu = graph.node("Mul", [gate, graph.node("Sigmoid", [gate], [at("sigmoid")])], [at("silu")]);
    const inner = graph.node("Mul", [silu, up], [at("inner")]);
    update = await linear(inner, `${block}.mlp.down_proj.weight`, at("down"));
  }
  const normed = await addAndNorm("model.norm.weight", "final norm");
  graph.constant("last", "int64", [1], BigInt64Array.of(-1n));
  const last = graph.node("Gather", [normed, "last"], ["last row"], { axis: 1 });
  const tied = checkpoint.tensors.has("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight";
  graph.output(await linear(last, tied, "logits"), "float32", ["batch_size", 1, table.dims[0]]);
  return graph;
}

/** values · matrix, whose constants are in the file once however often it is used. */
function blockLinear(graph, checkpoint) {
  const matrices = new Map();
  return async (input, name, output) => {
    let matrix = matrices.get(name);
    if (matrix === undefined) {
      const { rows, columns, bits, blocks, valueBytes, values, scales } = await quantized(checkpoint, name);
      graph.constant(name, "uint8", [rows, blocks, valueBytes], values);
      graph.constant(`${name} scales`, "float32", [rows * blocks], scales);
      matrix = { K: columns, N: rows, bits, block_size: BLOCK, accuracy_level: INTEGERS };
      matrices.set(name, matrix);
    }
    return graph.node("com.microsoft:MatMulNBits", [input, name, `${name} scales`], [output], matrix);
  };
}

/** What GroupQueryAttention asks for, from the mask that transformers.js gives: the last position, and the length. */
function sequenceLengths(graph) {
  const mask = graph.input("attention_mask", "int64", ["batch_size", "total"]);
  graph.constant("one", "int64", [1], BigInt64Array.of(1n));
  graph.constant("index one", "int64", [], BigInt64Array.of(1n));
  const sum = graph.node("ReduceSum", [mask, "one"], ["mask sum"], { keepdims: 0 });
  const last = graph.node("Sub", [sum, "one"], ["last position"]);
  const total = graph.node("Gather", [graph.node("Shape", [mask], ["mask shape"]), "index one"], ["mask length"]);
  const to = dataTypes.int32;
  return [graph.node("Cast", [last], ["seqlens_k"], { to }), graph.node("Cast", [total], ["total_length"], { to })];
}

/** Cosines and sines, [positions, head / 2] each. */
function ropeTables(graph, head, theta) {
  const half = head / 2;
  const angles = Array.from(
    { length: POSITIONS * half },
    (_, i) => Math.floor(i / half) * theta ** (-(i % half) / half),
  );
  return ["cos", "sin"].map((name) =>
    graph.constant(`${name}_cache`, "float32", [POSITIONS, half], Float32Array.from(angles, Math[name])),
  );
}
