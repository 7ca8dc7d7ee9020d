/**
 * Reads a training file: JSON that follows config-schema.ts, whose model can be played and whose numbers go together. All that can be
 * known before the corpus is read is refused here, in one message with the key's path.
 */
import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { inputError, type RefrainError } from "../errors.ts";
import { type ModelConfig, parseConfig } from "../model/config.ts";
import { relaxedParameters } from "../model/network.ts";
import { nearest } from "../nearest.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { hasAttention, identitySteps, type Steps } from "../schedule/schedule.ts";
import { playedHalves } from "../schedule/stats.ts";
import { validateSchedule } from "../schedule/validate.ts";
import { readJsonObject } from "../weights/node-file.ts";
import { type TrainingFile, trainingFileSchema } from "./config-schema.ts";

const MAX_BYTES = 1 << 20;

export interface TrainingConfig extends TrainingFile {
  /** Of the file, for messages. */
  readonly path: string;
  /** The folder that paths in the file are read from. */
  readonly folder: string;
}

/** Throws `training-config`, `config`, `schedule-…`, and what reading a JSON file throws. */
export async function readTrainingConfig(path: string): Promise<TrainingConfig> {
  return trainingConfig(await readJsonObject(path, MAX_BYTES), path);
}

/** The same for an object that is in memory; `path` stands in messages, and files are looked for beside it. */
export function trainingConfig(file: unknown, path: string): TrainingConfig {
  const result = v.safeParse(trainingFileSchema, file);
  if (!result.success) throw explain(result.issues, path);
  const { tokenizer = result.output.start === undefined ? { bpe: 2048 } : undefined, ...rest } = result.output;
  const config = { ...rest, tokenizer, path, folder: dirname(resolve(path)) };
  checkTraining(config);
  // What the tokenizer will have is not known yet, and the shape does not depend on it.
  checkObjective(config, modelOf(config, config.model.vocab_size ?? 1).config);
  return config;
}

/** Known before the model is: it learns masked tokens. */
export const isEncoder = ({ model }: TrainingFile): boolean => model.model_type === "albert";

export interface NewModel {
  /** config.json of the model. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly config: ModelConfig;
  readonly steps: Steps;
}

/** The model that the file describes, with a vocabulary of `vocabSize`. */
export function modelOf(
  { model, schedule, relaxed, recurrence, training, path }: TrainingConfig,
  vocabSize: number,
): NewModel {
  const isGpt2 = model.model_type === "gpt2";
  const contextKey = isGpt2 ? "n_positions" : "max_position_embeddings";
  const { initializer_range, ...keys } = model;
  const given = Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined && value !== null));
  const json = {
    architectures: [architectures[model.model_type] ?? "LlamaForCausalLM"],
    ...given,
    vocab_size: model.vocab_size ?? vocabSize,
    [contextKey]: given[contextKey] ?? training.length,
    initializer_range,
    torch_dtype: "float32",
    ...((schedule ?? relaxed ?? recurrence) !== undefined && { refrain: { schedule, relaxed, recurrence } }),
  };
  checkHeads(json, path);
  const config = parseConfig(json, `${path}: model`);
  if (config.contextLength < training.length) {
    throw refuse(
      path,
      "training.length",
      `sequences of ${training.length} are longer than model.${contextKey}, ${config.contextLength}`,
      `Leave model.${contextKey} out, or train on shorter sequences.`,
    );
  }
  const steps = stepsOf(config, schedule ?? config.schedule);
  if (relaxed && relaxedParameters(config, steps).length === 0) {
    throw refuse(
      path,
      "relaxed",
      "no block is played twice, so there is nothing to relax",
      "Give a schedule that shares blocks.",
    );
  }
  if (recurrence && !steps.some((step) => step.block === recurrence.block && hasAttention(step))) {
    throw refuse(path, "recurrence.block", `the attention of block ${recurrence.block} is never played`);
  }
  return { json, config, steps };
}

const architectures: Readonly<Record<string, string>> = {
  albert: "AlbertForMaskedLM",
  gpt2: "GPT2LMHeadModel",
  mistral: "MistralForCausalLM",
  qwen2: "Qwen2ForCausalLM",
  qwen3: "Qwen3ForCausalLM",
};

function stepsOf({ blocks }: ModelConfig, text: string | undefined): Steps {
  if (text === undefined) return identitySteps(blocks);
  const schedule = parseSchedule(text);
  validateSchedule(schedule, blocks);
  const steps = expand(schedule);
  const { attention, ffn } = playedHalves(steps);
  const idle = Array.from({ length: blocks }, (_, block) => block).find((b) => !attention.has(b) && !ffn.has(b));
  if (idle === undefined) return steps;
  throw inputError(
    "schedule-block",
    `schedule: "${text}" never plays block ${idle} of ${blocks}, so it would not be trained`,
    "Play every block, or give the model fewer.",
  );
}

/** What would otherwise be said of the width of a head, by the keys that the file has. */
function checkHeads(json: Readonly<Record<string, unknown>>, path: string): void {
  const isGpt2 = json.model_type === "gpt2";
  const [width, heads] = isGpt2 ? ["n_embd", "n_head"] : ["hidden_size", "num_attention_heads"];
  const [D, H, KV] = [json[width!], json[heads!], json.num_key_value_heads] as number[];
  if (json.head_dim === undefined && D! % H! !== 0) {
    throw refuse(
      path,
      `model.${heads}`,
      `${H} heads do not divide a ${width} of ${D}`,
      isGpt2 || json.model_type === "albert" ? undefined : "Or give head_dim, the width of a head.",
    );
  }
  if (!isGpt2 && KV !== undefined && H! % KV !== 0) {
    throw refuse(path, "model.num_key_value_heads", `${H} query heads cannot share ${KV} key/value heads evenly`);
  }
}

function checkTraining({ training, path }: TrainingConfig): void {
  const lengths = (["steps", "epochs", "tokens"] as const).filter((key) => training[key] !== undefined);
  if (lengths.length > 1) {
    throw refuse(path, `training.${lengths[1]}`, `given beside training.${lengths[0]}`, "Give the run one length.");
  }
  if (training.cooldown !== undefined && training.rateSchedule !== "warmup-stable-decay") {
    throw refuse(
      path,
      "training.cooldown",
      `it belongs to the rateSchedule "warmup-stable-decay", not to "${training.rateSchedule}"`,
    );
  }
}

function checkObjective({ training, path }: TrainingConfig, { bidirectional, modelType }: ModelConfig): void {
  const { objective, masks } = training;
  if (objective !== undefined && (objective === "masked") !== bidirectional) {
    const [is, learns] = bidirectional ? ["an encoder", "masked"] : ["no encoder", "next-token"];
    throw refuse(path, "training.objective", `${modelType} is ${is} and learns "${learns}", not "${objective}"`);
  }
  if (masks !== undefined && !bidirectional) {
    throw refuse(
      path,
      "training.masks",
      `${modelType} is no encoder: it sees what stands before a token, without masks`,
    );
  }
}

function refuse(path: string, key: string, problem: string, help?: string): RefrainError {
  return inputError("training-config", `${path}: ${key}: ${problem}`, help);
}

/** Of all that is wrong a key that is not known comes first: it explains the one that is missing. */
function explain(issues: readonly v.BaseIssue<unknown>[], path: string): RefrainError {
  const all = issues.flatMap(leaves);
  const unknown = all.find(isUnknownKey);
  const issue = unknown ?? all.sort((a, b) => (b.path?.length ?? 0) - (a.path?.length ?? 0))[0]!;
  const key = v.getDotPath(issue) ?? "";
  if (unknown) return unknownKey(issue, key, path);
  const expected = `${issue.expected ?? issue.requirement}`.replaceAll("Object", "an object");
  if (issue.received === "undefined") return refuse(path, key, `it is missing; expected ${expected}`);
  return refuse(path, key === "" ? "the file" : key, `expected ${expected}, got ${issue.received}`);
}

const isUnknownKey = (issue: v.BaseIssue<unknown>) => issue.type === "strict_object" && issue.expected === "never";

/** Of a union, what is wrong with its parts, where one of them is near. */
function leaves(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown>[] {
  const deeper = (issue.issues ?? [])
    .filter((inner) => isUnknownKey(inner) || (inner.path?.length ?? 0) > 0)
    .map((inner) => ({ ...inner, path: [...(issue.path ?? []), ...(inner.path ?? [])] }) as v.BaseIssue<unknown>);
  return deeper.length > 0 ? deeper : [issue];
}

function unknownKey(issue: v.BaseIssue<unknown>, key: string, path: string): RefrainError {
  const word = String(issue.path!.at(-1)!.key);
  const known = keysAt(
    trainingFileSchema,
    issue.path!.slice(0, -1).map((item) => item.key),
  );
  const meant = nearest(word, known);
  const section = key.split(".").slice(0, -1).join(".");
  const list = `The keys ${section === "" ? "of the file" : `of ${section}`} are ${known.join(", ")}.`;
  return refuse(path, key, "unknown key", meant === undefined ? list : `Did you mean "${meant}"? ${list}`);
}

/** The keys that a schema knows under a path, whichever of its variants is meant. */
function keysAt(schema: v.GenericSchema, path: readonly unknown[]): string[] {
  const parts = schema as unknown as {
    entries?: Record<string, v.GenericSchema>;
    wrapped?: v.GenericSchema;
    options?: readonly v.GenericSchema[];
    item?: v.GenericSchema;
  };
  if (parts.wrapped) return keysAt(parts.wrapped, path);
  if (parts.options) {
    return [...new Set(parts.options.filter((option) => typeof option === "object").flatMap((o) => keysAt(o, path)))];
  }
  if (parts.item) return keysAt(parts.item, path.slice(1));
  if (!parts.entries) return [];
  const [first, ...rest] = path;
  if (first === undefined) return Object.keys(parts.entries);
  const next = parts.entries[String(first)];
  return next ? keysAt(next, rest) : [];
}
