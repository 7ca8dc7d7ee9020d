import { describe, expect, it } from "vitest";
import { parseConfig } from "./config.ts";
import { llama3ScalingOf, ropeTable } from "./rope.ts";

const llama = {
  model_type: "llama",
  vocab_size: 100,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 4,
  num_attention_heads: 4,
};
const parse = (config: Record<string, unknown>) => parseConfig(config, "config.json");

describe("config.json", () => {
  it("falls back to what transformers falls back to", () => {
    const config = parse(llama);
    expect(config).toMatchObject({ kvHeads: 4, headWidth: 16, tiedEmbeddings: false, normEpsilon: 1e-6 });
    expect(config.rope).toEqual({ theta: 10000, scaling: { kind: "none" } });
  });

  it("reads rotary scaling under transformers 4's keys and transformers 5's", () => {
    const scaling = {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
      rope_type: "llama3",
    };
    const old = parse({ ...llama, rope_theta: 500000, rope_scaling: scaling });
    expect(parse({ ...llama, rope_parameters: { ...scaling, rope_theta: 500000 } }).rope).toEqual(old.rope);
    expect(old.rope).toMatchObject({ theta: 500000, scaling: { kind: "llama3", factor: 8 } });
  });

  it("plays MobileLLM's layer_sharing flag as each block twice in a row, and ties where share_embedding says so", () => {
    const config = parse({ ...llama, model_type: "mobilellm", layer_sharing: true, share_embedding: true });
    expect(config.schedule).toBe("each(0-3)x2");
    expect(config.tiedEmbeddings).toBe(true);
  });

  it("reads a feed-forward without a gate, which transformers does not know", () => {
    expect(parse(llama).feedForward).toBe("swiglu");
    expect(parse({ ...llama, mlp_gate: false, hidden_act: "relu" }).feedForward).toBe("relu");
    expect(() => parse({ ...llama, hidden_act: "relu" })).toThrow(/expected "silu", got "relu"/);
    expect(() => parse({ ...llama, mlp_gate: false })).toThrow(/expected "relu", "gelu" or "gelu_new", got "silu"/);
  });

  it("gives each block its own window where layer_types mixes them", () => {
    const types = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"];
    const config = parse({ ...llama, model_type: "qwen3", head_dim: 16, layer_types: types, sliding_window: 8 });
    expect(config.windows).toEqual([undefined, 8, undefined, 8]);
    expect(parse({ ...llama, model_type: "qwen2", sliding_window: 8, use_sliding_window: false }).windows).toEqual(
      Array(4).fill(undefined),
    );
  });
});

describe("a bad config", () => {
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ["a model type that nothing plays", { ...llama, model_type: "mamba" }, /model_type "mamba" is not one/],
    ["no model type", { vocab_size: 3 }, /model_type is missing/],
    ["a missing key", { ...llama, hidden_size: undefined }, /hidden_size: expected/],
    ["a count that is none", { ...llama, num_hidden_layers: 2.5 }, /num_hidden_layers: expected/],
    ["heads that cannot be shared", { ...llama, num_key_value_heads: 3 }, /4 query heads cannot share 3/],
    ["a head width that the kernels cannot play", { ...llama, head_dim: 6 }, /heads are 6 wide/],
    ["an unknown activation", { ...llama, hidden_act: "relu" }, /hidden_act: expected "silu", got "relu"/],
    ["an unknown rotary scaling", { ...llama, rope_scaling: { rope_type: "yarn" } }, /rope_scaling type "yarn"/],
    ["a rotary scaling without its factor", { ...llama, rope_scaling: { type: "linear" } }, /rope_scaling.factor/],
    [
      "layer_types of another length",
      { ...llama, model_type: "mistral", layer_types: ["x"] },
      /1 entries for 4 blocks/,
    ],
  ];
  for (const [name, config, message] of cases) {
    it(name, () => {
      expect(() => parse(config)).toThrow(message);
    });
  }
});

describe("rotary tables", () => {
  it("hold cos and sin of position times frequency", () => {
    const { cosines, sines } = ropeTable({ theta: 100, scaling: { kind: "none" } }, 4, 3);
    expect(Array.from(cosines)).toEqual([1, 1, Math.cos(1), Math.cos(0.1), Math.cos(2), Math.cos(0.2)].map(closeTo));
    expect(Array.from(sines)).toEqual([0, 0, Math.sin(1), Math.sin(0.1), Math.sin(2), Math.sin(0.2)].map(closeTo));
  });

  it("find the four numbers of Llama 3 behind the factors that a GGUF file keeps", () => {
    const theta = 500000;
    const width = 64;
    const scaling = {
      kind: "llama3",
      factor: 32,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalContext: 8192,
    } as const;
    const angle = (table: { cosines: Float32Array; sines: Float32Array }, i: number) =>
      Math.atan2(table.sines[width / 2 + i]!, table.cosines[width / 2 + i]!);
    const plain = ropeTable({ theta, scaling: { kind: "none" } }, width, 2);
    const stretched = ropeTable({ theta, scaling }, width, 2);
    const factors = Array.from({ length: width / 2 }, (_, i) => angle(plain, i) / angle(stretched, i));
    expect(llama3ScalingOf({ theta, scaling: { kind: "factors", factors } }, width)).toMatchObject({
      kind: "llama3",
      originalContext: 8192,
    });
    const others = factors.map((factor, i) => (i === 20 ? factor * 2 : factor));
    expect(llama3ScalingOf({ theta, scaling: { kind: "factors", factors: others } }, width)).toBeUndefined();
  });
});

const closeTo = (value: number) => expect.closeTo(value, 6);
