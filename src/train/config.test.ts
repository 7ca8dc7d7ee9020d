import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RefrainError } from "../errors.ts";
import { printSteps } from "../schedule/print.ts";
import { modelOf, readTrainingConfig, trainingConfig } from "./config.ts";

const model = {
  model_type: "llama",
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
};
const albert = {
  model_type: "albert",
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
};
const least = { model, data: { files: "a.txt" } };

const refusal = (file: unknown): string => {
  try {
    trainingConfig(file, "train.json");
  } catch (error) {
    if (RefrainError.is(error)) return `${error.message} | ${error.help ?? ""}`;
    throw error;
  }
  return "";
};

describe("a training file", () => {
  it("needs a model and a text; the rest has defaults", () => {
    const { training, tokenizer, data } = trainingConfig(least, "train.json");
    expect(training).toMatchObject({ sequences: 8, length: 256, rate: 1e-3, betas: [0.9, 0.95], weightDecay: 0.1 });
    expect(tokenizer).toEqual({ bpe: 2048 });
    expect(data).toEqual({ files: "a.txt", field: "text", validation: 0.05 });
  });

  it("becomes a config.json with the tokenizer's vocabulary, the length as context, and the schedule", () => {
    const config = trainingConfig({ ...least, schedule: "each(0-1)x2" }, "train.json");
    const made = modelOf(config, 500);
    expect(made.json).toMatchObject({
      architectures: ["LlamaForCausalLM"],
      vocab_size: 500,
      max_position_embeddings: 256,
      refrain: { schedule: "each(0-1)x2" },
    });
    expect(made.steps).toHaveLength(4);
    const gpt2 = { model_type: "gpt2", n_embd: 64, n_layer: 2, n_head: 4 };
    expect(modelOf(trainingConfig({ ...least, model: gpt2 }, "train.json"), 500).config).toMatchObject({
      contextLength: 256,
      tiedEmbeddings: true,
    });
  });

  it("plays what ALBERT's own keys say where it has no schedule", () => {
    const made = (keys: object, schedule?: string) =>
      printSteps(modelOf(trainingConfig({ ...least, model: { ...albert, ...keys }, schedule }, "train.json"), 9).steps);
    expect(made({ num_hidden_layers: 12 })).toBe("0x12");
    expect(made({ num_hidden_layers: 4, num_hidden_groups: 2 })).toBe("0x2 1x2");
    expect(made({ num_hidden_groups: 2 }, "a0 f0 a1 f0")).toBe("a0 f0 a1 f0");
  });

  it.each<[string, unknown, string | RegExp]>([
    ["no object", 3, "train.json: the file: expected an object, got 3"],
    ["no model", { data: { files: "a" } }, "train.json: model: it is missing"],
    ["an unknown section", { ...least, trianing: {} }, 'train.json: trianing: unknown key | Did you mean "training"?'],
    [
      "an unknown key",
      { ...least, training: { sequnces: 3 } },
      'training.sequnces: unknown key | Did you mean "sequences"?',
    ],
    [
      "an unknown key of a model, before the missing one that it explains",
      { ...least, model: { ...model, hidden_size: undefined, hiddensize: 64 } },
      'model.hiddensize: unknown key | Did you mean "hidden_size"?',
    ],
    [
      "an unknown key of a group",
      { ...least, training: { groups: [{ match: "*", rat: 1 }] } },
      'groups.0.rat: unknown key | Did you mean "rate"?',
    ],
    [
      "an unknown key of the tokenizer",
      { ...least, tokenizer: { bp: 500 } },
      'tokenizer.bp: unknown key | Did you mean "bpe"?',
    ],
    [
      "a key far from all",
      { ...least, xyzzy: 1 },
      "xyzzy: unknown key | The keys of the file are $schema, model, schedule",
    ],
    [
      "an unknown family",
      { ...least, model: { model_type: "bert" } },
      /model.model_type: expected .*"llama".*"gpt2".*, got "bert"/,
    ],
    [
      "heads that do not divide",
      { ...least, model: { ...model, num_attention_heads: 3 } },
      "model.num_attention_heads: 3 heads do not divide a hidden_size of 64",
    ],
    [
      "key heads that do not divide",
      { ...least, model: { ...model, num_key_value_heads: 3 } },
      "model.num_key_value_heads: 4 query heads",
    ],
    [
      "heads that the kernels cannot play",
      { ...least, model: { ...model, head_dim: 6 } },
      "train.json: model: heads are 6 wide",
    ],
    [
      "GPT-2 heads that do not divide",
      { ...least, model: { model_type: "gpt2", n_embd: 62, n_layer: 1, n_head: 4 } },
      "model.n_head: 4 heads do not divide a n_embd of 62",
    ],
    [
      "an encoder that is to learn the next token",
      { ...least, model: albert, training: { objective: "next-token" } },
      'training.objective: albert is an encoder and learns "masked", not "next-token"',
    ],
    [
      "a decoder that is to learn masked tokens",
      { ...least, training: { objective: "masked" } },
      'training.objective: llama is no encoder and learns "next-token", not "masked"',
    ],
    ["masks for a decoder", { ...least, training: { masks: "spans" } }, "training.masks: llama is no encoder"],
    ["a schedule of blocks that are not there", { ...least, schedule: "0-2" }, "the model has no block 2"],
    ["a schedule that leaves a block out", { ...least, schedule: "0x2" }, "never plays block 1 of 2"],
    ["a schedule that cannot be read", { ...least, schedule: "0-" }, "schedule"],
    [
      "sequences longer than the context",
      { ...least, model: { ...model, max_position_embeddings: 128 } },
      "training.length: sequences of 256 are longer",
    ],
    ["two lengths", { ...least, training: { steps: 3, tokens: 9 } }, "training.tokens: given beside training.steps"],
    ["a cooldown without its schedule", { ...least, training: { cooldown: 3 } }, "training.cooldown: it belongs to"],
    ["a rate of zero", { ...least, training: { rate: 0 } }, "training.rate: expected >0, got 0"],
    ["a text for a number", { ...least, training: { rate: "fast" } }, 'training.rate: expected number, got "fast"'],
    [
      "an unknown optimizer",
      { ...least, training: { optimizer: "moun" } },
      /training.optimizer: expected .*"adamw".*"muon".*, got "moun"/,
    ],
    ["one beta", { ...least, training: { betas: [0.9] } }, "training.betas.1: it is missing"],
    ["too small a vocabulary", { ...least, tokenizer: { bpe: 100 } }, "tokenizer.bpe: expected >=258, got 100"],
    ["no files", { ...least, data: { files: [] } }, /data.files: expected/],
    ["all held out", { ...least, data: { files: "a", validation: 1 } }, /data.validation: expected/],
  ])("is refused with %s", (_, file, message) => {
    expect(refusal(file)).toMatch(message);
  });

  it("is read from a file, and a mistake in its JSON is placed", async () => {
    const folder = await mkdtemp(join(tmpdir(), "refrain-config-"));
    try {
      await writeFile(join(folder, "train.json"), JSON.stringify(least));
      expect((await readTrainingConfig(join(folder, "train.json"))).folder).toBe(folder);
      await writeFile(join(folder, "bad.json"), '{"model": }');
      await expect(readTrainingConfig(join(folder, "bad.json"))).rejects.toMatchObject({ code: "json" });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("is refused in words, whatever it holds", () => {
    const anything = fc.record({
      model: fc.jsonValue(),
      data: fc.jsonValue(),
      training: fc.jsonValue(),
      tokenizer: fc.jsonValue(),
    });
    fc.assert(fc.property(anything, (file) => refusal(file).startsWith("train.json: ")));
  });
});
