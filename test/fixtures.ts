/**
 * What PyTorch and transformers computed, for tests to hold Refrain against. How the files are made and what each
 * figure means stands in fixtures/README.md.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A float32 array, row-major. */
export interface Floats {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** What follows from one sequence of tokens. */
export interface SequenceReference {
  readonly ids: readonly number[];
  /** [tokens, vocab], for every position. */
  readonly logits: Floats;
  /** [layers + 1, tokens, hidden]: what each layer is given, and last what the last one returns, before the final norm. */
  readonly hidden: Floats;
  /** The 32 greedy tokens that follow `ids`; the end-of-sequence token does not stop them. An encoder has none. */
  readonly greedy: readonly number[];
  /** Smallest distance between the best two logits on the way. */
  readonly greedyMinGap: number;
}

/** `reference.json` of a small random model. */
export interface Reference {
  readonly model: string;
  readonly sequences: readonly SequenceReference[];
}

/** Similarity of hidden states, before each layer and after the last one (before the final norm). */
export interface SimilarityReference {
  /** For each layer 1 − mean over tokens of cos(x_i, x_i+1). */
  readonly blockInfluence: readonly number[];
  /** `[start][length − 1]`: arccos(cos(x_start, x_start+length)) / π at the last token. */
  readonly angularDistance: readonly (readonly number[])[];
}

/** Perplexity in sliding windows; nats. */
export interface PerplexityReference {
  readonly window: number;
  readonly stride: number;
  /** Length of the text. */
  readonly tokens: number;
  /** Every predicted token weighs alike. */
  readonly predictedTokens: number;
  readonly meanNll: number;
  readonly perplexity: number;
  /** What the loop in transformers' documentation gives, which counts one token too few in each window but the first. */
  readonly documentedTokens: number;
  readonly perplexityAsDocumented: number;
}

export interface PromptReference {
  /** At the last position of the prompt. */
  readonly logSumExp: number;
  /** The 50 largest logits, largest first. */
  readonly topIds: readonly number[];
  readonly topLogits: readonly number[];
  /** The logits of `columns`. */
  readonly columnLogits: readonly number[];
  /** 64 tokens. */
  readonly greedy: readonly number[];
  readonly greedyMinGap: number;
}

/** `smollm2.reference.json`. */
export interface SmolLM2Reference {
  readonly model: string;
  /** The messages of which the first prompt is made. */
  readonly chat: readonly { readonly role: string; readonly content: string }[];
  /** Chat, prose, a few words. */
  readonly prompts: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly columns: readonly number[];
  /** For each form of the weights, one entry a prompt. */
  readonly weights: Readonly<Record<"q4_1" | "q8_0" | "f16" | "bf16", readonly PromptReference[]>>;
  /** The tokens with which the file (in the shared data) begins. */
  readonly text: { readonly file: string; readonly ids: readonly number[] };
  /** Of the first `tokens` ids of `text`, with the Q4_1 weights. */
  readonly passage: SimilarityReference & { readonly tokens: number; readonly meanNll: number };
  /** Of all ids of `text`, with the Q4_1 weights. */
  readonly perplexity: PerplexityReference;
}

/** `stories260k.reference.json`. */
export interface Stories260KReference {
  readonly model: string;
  readonly prompts: readonly {
    readonly text: string;
    readonly ids: readonly number[];
    /** [vocab], at the last position. */
    readonly logits: Floats;
    /** 64 tokens. */
    readonly greedy: readonly number[];
    readonly greedyMinGap: number;
  }[];
  readonly text: { readonly file: string; readonly ids: readonly number[] };
  /** Of ids [begin, end) of `text`, each by itself, positions from 0. */
  readonly passages: readonly (SimilarityReference & {
    readonly begin: number;
    readonly end: number;
    readonly meanNll: number;
  })[];
  /** Of all ids of `text`. */
  readonly perplexity: PerplexityReference;
}

/** The gradient of one parameter, flat in the order of our rows. */
export interface GradientReference {
  /** Euclidean. */
  readonly norm: number;
  /** Its scalar product with ±1: minus where bit 13 of (index · 2654435761) is set. */
  readonly signed: number;
  /** Every `stride`-th element, from the first. */
  readonly stride: number;
  readonly sample: Floats;
}

/** `gradients.json`, one model: the mean cross-entropy of one sequence. */
export interface GradientsReference {
  readonly ids: readonly number[];
  /** Negative: ignored. */
  readonly targets: readonly number[];
  /** Nats. */
  readonly loss: number;
  readonly parameters: Readonly<Record<string, GradientReference>>;
}

/** What lm-evaluation-harness found of one item. */
export interface HarnessItem {
  /** Log-likelihood of each choice. */
  readonly scores: readonly number[];
  /** 1 where greedy decoding gives the choice. */
  readonly greedy: readonly number[];
  /** 1 where the choice that the metric takes is the right one. */
  readonly acc: number;
  readonly acc_norm?: number;
}

/** `tasks-smollm2.reference.json`, one task: the same for its first items, in the order of the file. */
export interface HarnessTask {
  readonly dataSha256: string;
  /** How many are right. */
  readonly right: Readonly<Record<string, number>>;
  readonly scores: readonly (readonly number[])[];
}

/** How far a parameter moved, flat in the order of our rows. */
export interface MoveReference {
  /** Euclidean. */
  readonly norm: number;
  /** Every `stride`-th element, from the first. */
  readonly stride: number;
  readonly sample: Floats;
}

/** `training.json`, one model: steps of an optimizer from the saved weights. */
export interface TrainingReference {
  /** [sequences × length] each; a negative target is ignored. */
  readonly batches: readonly { readonly tokens: readonly number[]; readonly targets: readonly number[] }[];
  /** Of each batch, nats. */
  readonly losses: readonly number[];
  /** Of each step's gradients, before they are clipped. */
  readonly norms: readonly number[];
  readonly moved: Readonly<Record<string, MoveReference>>;
}

export interface TrainingSettings {
  /** What the learning rate rises to, in so many steps. */
  readonly rate: number;
  readonly warmUp: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Of matrices; vectors do not decay. */
  readonly decay: number;
  readonly clip: number;
  /** Batches of a step, sequences of a batch, tokens of a sequence. */
  readonly batches: number;
  readonly sequences: number;
  readonly length: number;
}

/** `adapters.json`, one model with the adapter in `adapters/NAME`; names of gradients are those in the adapter's file. */
export interface AdapterReference {
  readonly ids: readonly number[];
  /** Negative: ignored. */
  readonly targets: readonly number[];
  /** [tokens, vocab] */
  readonly logits: Floats;
  /** Mean cross-entropy, nats. */
  readonly loss: number;
  readonly gradients: Readonly<Record<string, Floats>>;
  /** The same for a model without its layer 1 and a loss of three terms: see make-adapters.py. */
  readonly distillation?: {
    readonly loss: number;
    readonly crossEntropy: number;
    readonly divergence: number;
    readonly hidden: number;
    readonly gradients: Readonly<Record<string, Floats>>;
  };
}

/** `pseudo-perplexity.json`: each token but special ones masked in turn, `before` and `after` around each window. */
export interface PseudoPerplexityReference {
  readonly mask: number;
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly special: readonly number[];
  readonly models: Readonly<
    Record<
      string,
      {
        readonly ids: readonly number[];
        /** `meanLoss` in nats; a window has so many tokens, those around the text included. */
        readonly cases: readonly {
          readonly window: number;
          readonly predicted: number;
          readonly meanLoss: number;
          readonly pseudoPerplexity: number;
        }[];
      }
    >
  >;
}

/** A file of test/fixtures, e.g. `models/qwen3`. */
export function fixturePath(name: string): string {
  return join(import.meta.dirname, "fixtures", name);
}

/** The reference of a small random model, e.g. `qwen3`. */
export function readReference(model: string): Reference {
  return readJson(`models/${model}/reference.json`) as Reference;
}

export function readSmolLM2Reference(): SmolLM2Reference {
  return readJson("smollm2.reference.json") as SmolLM2Reference;
}

export function readStories260KReference(): Stories260KReference {
  return readJson("stories260k.reference.json") as Stories260KReference;
}

/** By the name of the small random model. */
export function readGradientsReference(): Readonly<Record<string, GradientsReference>> {
  return (readJson("gradients.json") as { models: Record<string, GradientsReference> }).models;
}

/** By task: of the invented items in fixtures/tasks, on a random model. */
export function readTinyTasksReference(): Readonly<Record<string, readonly HarnessItem[]>> {
  return (readJson("tasks-tiny.reference.json") as { tasks: Record<string, HarnessItem[]> }).tasks;
}

/** By task: of the shared test data, on SmolLM2-135M-Instruct. */
export function readSmolLM2TasksReference(): Readonly<Record<string, HarnessTask>> {
  return (readJson("tasks-smollm2.reference.json") as { tasks: Record<string, HarnessTask> }).tasks;
}

export function readTrainingReference(): {
  readonly settings: TrainingSettings;
  readonly models: Readonly<Record<string, TrainingReference>>;
  /** The same with Muon for the matrices in the blocks. */
  readonly muon: Readonly<Record<string, TrainingReference>>;
} {
  return readJson("training.json") as ReturnType<typeof readTrainingReference>;
}

export function readPseudoPerplexityReference(): PseudoPerplexityReference {
  return readJson("pseudo-perplexity.json") as PseudoPerplexityReference;
}

/** By the name of the small random model. */
export function readAdapterReference(): Readonly<Record<string, AdapterReference>> {
  return (readJson("adapters.json") as { models: Record<string, AdapterReference> }).models;
}

/** Float arrays stand in the files as `{shape, f32}`, their bytes little-endian in base64. */
function readJson(name: string): unknown {
  return JSON.parse(readFileSync(fixturePath(name), "utf8"), (_key, value: unknown) =>
    isEncoded(value) ? decodeFloats(value.shape, value.f32) : value,
  );
}

function isEncoded(value: unknown): value is { shape: number[]; f32: string } {
  return typeof value === "object" && value !== null && "f32" in value && "shape" in value;
}

function decodeFloats(shape: readonly number[], base64: string): Floats {
  // A copy: the buffer behind a decoded string need not begin at a multiple of four.
  const values = new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer);
  const expected = shape.reduce((product, size) => product * size, 1);
  if (values.length !== expected) throw new Error(`a fixture of shape [${shape}] has ${values.length} values`);
  return { shape, values };
}
