import { describe, expect, it } from "vitest";
import { parseConfig } from "../model/config.ts";
import { parametersPlayed } from "../model/network.ts";
import { identitySteps } from "../schedule/schedule.ts";
import { type Group, parameterOptions } from "./groups.ts";

const config = parseConfig(
  {
    model_type: "llama",
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    attention_bias: true,
  },
  "test",
);
const parameters = parametersPlayed(config, identitySteps(2));
const options = (groups: readonly Group[]) => {
  const of = parameterOptions(parameters, 0.1, groups, "train.json");
  return (name: string) => of(parameters.find((parameter) => parameter.name === name)!);
};

describe("options by parameter", () => {
  it("decay matrices, not norms, biases and embeddings", () => {
    const of = options([]);
    expect(of("model.layers.0.mlp.up_proj.weight")).toEqual({ rate: 1, decay: 0.1 });
    expect(of("lm_head.weight")).toEqual({ rate: 1, decay: 0.1 });
    for (const name of ["model.embed_tokens.weight", "model.norm.weight", "model.layers.1.self_attn.q_proj.bias"]) {
      expect(of(name)).toEqual({ rate: 1, decay: 0 });
    }
  });

  it("are those of the last group that matches", () => {
    const of = options([
      { match: "model.layers.0.*", rate: 0.5 },
      { match: "*.mlp.*", rate: 0.25, decay: 0.3 },
    ]);
    expect(of("model.layers.0.self_attn.q_proj.weight")).toEqual({ rate: 0.5, decay: 0.1 });
    expect(of("model.layers.0.mlp.up_proj.weight")).toEqual({ rate: 0.25, decay: 0.3 });
    expect(of("model.norm.weight")).toEqual({ rate: 1, decay: 0 });
  });

  it("refuse a group that matches nothing; a dot is a dot", () => {
    expect(() => options([{ match: "modelXnorm.weight", rate: 1 }])).toThrow("training.groups.0.match: no parameter");
    expect(() => options([{ match: "model.norm.wieght", rate: 1 }])).toThrow(
      expect.objectContaining({ help: expect.stringContaining('Did you mean "model.norm.weight"?') }),
    );
  });
});
