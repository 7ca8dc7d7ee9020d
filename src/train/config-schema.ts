/**
 * What a training file may say: the sections of `refrain train CONFIG`, their defaults and what each key means. Unknown keys are refused.
 * data/train.schema.json is made from this (config-schema.test.ts holds it to be so). Read by config.ts.
 */
import * as v from "valibot";
import { llamaTypes } from "../model/config.ts";
import { albertSchema, gpt2Schema, llamaSchema, recurrenceSchema, relaxedSchema } from "../model/config-schemas.ts";

const wholeNumber = (least: number, description: string) =>
  v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(Number.MAX_SAFE_INTEGER), v.description(description));
const above0 = (description: string) => v.pipe(v.number(), v.finite(), v.gtValue(0), v.description(description));
const from0 = (description: string) => v.pipe(v.number(), v.finite(), v.minValue(0), v.description(description));
const share = (description: string) => v.pipe(from0(description), v.maxValue(1));
const text = (description: string) => v.pipe(v.string(), v.minLength(1), v.description(description));

/** What is the same for every family. */
const newModel = {
  vocab_size: v.optional(wholeNumber(1, "rows of the embedding (default: what the tokenizer has)")),
  max_position_embeddings: v.optional(wholeNumber(1, "longest sequence the model is for (default: training.length)")),
  initializer_range: v.optional(above0("standard deviation of the weights at the start"), 0.02),
};

// `refrain` is the section "schedule"; the flags of MobileLLM's own code say what `tie_word_embeddings` and the schedule say.
const { refrain: _a, share_embedding: _b, layer_sharing: _c, ...llamaKeys } = llamaSchema.entries;
const { refrain: _d, n_positions: _e, ...gpt2Keys } = gpt2Schema.entries;
const { max_position_embeddings: _f, ...newGpt2 } = newModel;
const { refrain: _g, position_embedding_type: _h, ...albertKeys } = albertSchema.entries;

const model = v.variant("model_type", [
  v.strictObject({
    ...llamaKeys,
    ...newModel,
    model_type: v.picklist(Object.keys(llamaTypes) as [string, ...string[]]),
  }),
  v.strictObject({
    ...gpt2Keys,
    ...newGpt2,
    n_positions: v.optional(wholeNumber(1, "longest sequence the model is for (default: training.length)")),
    model_type: v.literal("gpt2"),
  }),
  v.strictObject({
    ...albertKeys,
    ...newModel,
    type_vocab_size: v.optional(wholeNumber(1, "segments; all tokens are trained as of the first"), 1),
    model_type: v.literal("albert"),
  }),
]);

const files = (description: string) =>
  v.pipe(v.union([text("a file"), v.pipe(v.array(text("a file")), v.minLength(1))]), v.description(description));

const data = v.strictObject({
  files: files("UTF-8 text, or JSON Lines where the name ends in .jsonl; paths are read from the folder of this file"),
  field: v.optional(text("the key of a JSON line that holds the text"), "text"),
  separator: v.optional(text("what stands between the documents of a text file (default: a file is one document)")),
  validation: v.optional(
    v.union([
      v.pipe(share("the share of the documents that is held out"), v.ltValue(1)),
      text("a file that is held out"),
      v.pipe(v.array(text("a file")), v.minLength(1)),
    ]),
    0.05,
  ),
});

const group = v.strictObject({
  match: text('names of parameters, "*" for anything: "model.layers.0.*"'),
  rate: v.optional(from0("factor of the learning rate"), 1),
  decay: v.optional(from0("weight decay (default: as without the group)")),
});

const training = v.strictObject({
  objective: v.optional(
    v.pipe(
      v.picklist(["next-token", "masked"]),
      v.description(
        "what is predicted: an encoder (albert) learns masked tokens, all others the next one (default: that)",
      ),
    ),
  ),
  masks: v.optional(
    v.pipe(
      v.picklist(["tokens", "spans"]),
      v.description("what is masked for an encoder: single tokens, or spans of 1 to 3 (default: spans)"),
    ),
  ),
  sequences: v.optional(wholeNumber(1, "sequences of a batch"), 8),
  length: v.optional(wholeNumber(2, "tokens of a sequence"), 256),
  accumulation: v.optional(wholeNumber(1, "batches whose gradients make one step"), 1),
  steps: v.optional(wholeNumber(1, "length of the run; give one of steps, epochs and tokens (default: one epoch)")),
  epochs: v.optional(above0("length of the run: how often the corpus is read")),
  tokens: v.optional(wholeNumber(1, "length of the run in tokens")),
  optimizer: v.optional(
    v.pipe(
      v.picklist(["adamw", "muon"]),
      v.description(
        "AdamW (arXiv 1711.05101) for all, or Muon (arXiv 2502.16982) for the matrices of attention and feed-forwards",
      ),
    ),
    "adamw",
  ),
  betas: v.optional(
    v.pipe(
      v.strictTuple([v.pipe(share("of the mean"), v.ltValue(1)), v.pipe(share("of the mean square"), v.ltValue(1))]),
      v.description("how much of AdamW's running means a step keeps"),
    ),
    [0.9, 0.95],
  ),
  epsilon: v.optional(above0("AdamW's epsilon"), 1e-8),
  weightDecay: v.optional(
    from0("decay of matrices; norms, biases and embeddings have none unless a group says so"),
    0.1,
  ),
  rate: v.optional(above0("the highest learning rate"), 1e-3),
  rateSchedule: v.optional(
    v.pipe(v.picklist(["cosine", "warmup-stable-decay", "constant"]), v.description("the rate after the warm-up")),
    "cosine",
  ),
  warmup: v.optional(wholeNumber(0, "steps in which the rate rises from 0 (default: a twentieth of the run)")),
  cooldown: v.optional(wholeNumber(1, "last steps, in which warmup-stable-decay falls (default: a fifth of the run)")),
  finalRate: v.optional(share("the rate at the end, as a share of the highest (default: 0.1; warmup-stable-decay: 0)")),
  clip: v.optional(from0("longest gradient, in the Euclidean norm; 0 does not clip"), 1),
  groups: v.optional(
    v.pipe(v.array(group), v.description("options by name of parameter; the last that matches counts")),
    [],
  ),
  recompute: v.optional(
    v.pipe(v.boolean(), v.description("compute each layer again in the backward pass: less memory, more time")),
    false,
  ),
  seed: v.optional(
    v.pipe(wholeNumber(0, "of the first weights and of the order of the data"), v.maxValue(2 ** 20 - 1)),
    0,
  ),
  evaluateEvery: v.optional(wholeNumber(1, "steps between losses on the held-out part (default: a tenth of the run)")),
  evaluateTokens: v.optional(wholeNumber(1, "tokens of the held-out part that a loss is of"), 16_384),
  saveEvery: v.optional(wholeNumber(1, "steps between checkpoints (default: as evaluateEvery)")),
  sampleEvery: v.optional(wholeNumber(1, "steps between samples (default: as evaluateEvery)")),
  prompt: v.optional(
    v.pipe(
      v.string(),
      v.description(
        "what samples continue; empty begins a text. An encoder fills the [MASK]s of it; empty: no samples",
      ),
    ),
    "",
  ),
});

export const trainingFileSchema = v.strictObject({
  $schema: v.optional(v.pipe(v.string(), v.description("for editors: data/train.schema.json of this package"))),
  model: v.pipe(model, v.description("the model, in the keys of a Hugging Face config.json")),
  schedule: v.optional(text('how blocks are played, e.g. "each(0-5)x2" (default: each once)')),
  relaxed: v.optional(
    v.pipe(relaxedSchema, v.description("let shared blocks differ by step, by low-rank pairs (arXiv 2410.20672)")),
  ),
  recurrence: v.optional(
    v.pipe(recurrenceSchema, v.description("tell a loop again what stands before it (arXiv 2604.12946)")),
  ),
  start: v.optional(
    text("a model, of the shape that model and schedule say, whose weights the run begins with (default: random ones)"),
  ),
  tokenizer: v.optional(
    v.pipe(
      v.union([
        v.strictObject({ bpe: v.pipe(wholeNumber(258, "tokens of the vocabulary"), v.maxValue(1 << 20)) }),
        text('"bytes", or a tokenizer.json or model folder'),
      ]),
      v.description(
        '"bytes"; {"bpe": N}, trained on the corpus; or the path of a tokenizer.json or of a model folder (default: that of start; without one {"bpe": 2048})',
      ),
    ),
  ),
  data,
  training: v.optional(training, {}),
});

/** A training file with its defaults filled in. */
export type TrainingFile = v.InferOutput<typeof trainingFileSchema>;
export type DataSection = TrainingFile["data"];
export type TrainingSection = TrainingFile["training"];
