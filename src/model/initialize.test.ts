import { describe, expect, it } from "vitest";
import { steps } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { parseConfig } from "./config.ts";
import { initialValues } from "./initialize.ts";
import { parametersPlayed } from "./network.ts";

const config = parseConfig(
  {
    model_type: "llama",
    vocab_size: 300,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    attention_bias: true,
  },
  "test",
);
const played = steps(parseSchedule("each(0-1)x2"));
const values = (name: string, seed = 1, schedule = played) =>
  initialValues(parametersPlayed(config, schedule).find((p) => p.name === name)!, schedule, { seed });
const deviation = (all: Float32Array) => Math.sqrt(all.reduce((sum, x) => sum + x * x, 0) / all.length);

describe("first weights", () => {
  it("are normal, norms 1, biases 0", () => {
    const all = values("model.embed_tokens.weight");
    expect(Math.abs(deviation(all) / 0.02 - 1)).toBeLessThan(0.03);
    expect(Math.abs(all.reduce((sum, x) => sum + x, 0) / all.length)).toBeLessThan(0.001);
    // 0.27 % of a normal distribution lie beyond three deviations.
    expect(all.filter((x) => Math.abs(x) > 0.06).length / all.length).toBeLessThan(0.005);
    expect(new Set(values("model.norm.weight"))).toEqual(new Set([1]));
    expect(new Set(values("model.layers.0.self_attn.q_proj.bias"))).toEqual(new Set([0]));
  });

  it("are the same in a room that others were written to", () => {
    const room = new Float32Array(300 * 64).fill(7);
    for (const parameter of parametersPlayed(config, played)) {
      const alone = initialValues(parameter, played, { seed: 1 });
      expect(initialValues(parameter, played, { seed: 1, room })).toEqual(alone);
    }
  });

  it("are smaller where they write into the residual stream, by the played depth", () => {
    for (const name of ["model.layers.0.self_attn.o_proj.weight", "model.layers.1.mlp.down_proj.weight"]) {
      expect(Math.abs(deviation(values(name)) / (0.02 / Math.sqrt(8)) - 1)).toBeLessThan(0.05);
      expect(Math.abs(deviation(values(name, 1, steps(parseSchedule("0-1")))) / 0.01 - 1)).toBeLessThan(0.05);
    }
  });

  it("are those of their seed and name", () => {
    const name = "model.layers.0.mlp.up_proj.weight";
    expect(values(name)).toEqual(values(name));
    expect(values(name)).not.toEqual(values(name, 2));
    expect(values(name)).not.toEqual(values("model.layers.1.mlp.up_proj.weight"));
  });
});
