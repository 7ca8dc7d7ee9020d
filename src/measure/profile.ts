/** One model in the figures that people compare: size, cache, perplexity, speed, and what it says. */
import type { ModelConfig } from "../model/config.ts";
import { refuseEncoder } from "../model/session.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import { type Cost, modelCost } from "./cost.ts";
import { type Perplexity, perplexity } from "./perplexity.ts";
import { decodeSpeed, type Speed } from "./speed.ts";
import { evaluateTasks, type TaskResult } from "./tasks/evaluate.ts";
import type { OpenTask } from "./tasks/open-tasks.ts";
import { checkWindow } from "./window.ts";

export interface Profile {
  readonly schedule: string;
  readonly cost: Cost;
  /** Bytes of the weights as they are kept in memory, each once. */
  readonly weightBytes: number;
  /** Bytes that the cache grows by with each token, as the model keeps it. */
  readonly kvBytesPerToken: number;
  readonly perplexity: TextPerplexity | undefined;
  /** Empty where none were asked for. */
  readonly tasks: readonly TaskResult[];
  readonly speed: Speed;
  /** The continuation of the prompt, where one was given. */
  readonly sample: string | undefined;
}

export interface TextPerplexity extends Perplexity {
  /**
   * Loss in bits over the bytes of what was predicted, which models of other tokens can be compared by; undefined without a
   * tokenizer.
   */
  readonly bitsPerByte: number | undefined;
}

export interface ProfileOptions {
  /** Tokens of the text for perplexity; without them none is measured. */
  readonly tokens?: readonly number[] | undefined;
  readonly window?: number | undefined;
  readonly stride?: number | undefined;
  readonly tasks?: readonly OpenTask[] | undefined;
  /** Items of each task. */
  readonly limit?: number | undefined;
  readonly prompt?: string | undefined;
  /** The speed, where it was measured beside that of other models; without it, it is measured now. */
  readonly speed?: Speed | undefined;
  /** Most tokens of the sample, chosen greedily. */
  readonly sampleTokens?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export async function profile(model: Model, options: ProfileOptions = {}): Promise<Profile> {
  const { tokens, tasks = [], limit, prompt, sampleTokens = 48, signal, onProgress } = options;
  const cost = modelCost(model.config, model.steps);
  return {
    schedule: model.schedule,
    cost,
    weightBytes: model.weightBytes,
    kvBytesPerToken: cost.kvBytesPerToken[model.cache],
    perplexity: tokens && (await modelPerplexity(model, tokens, options)),
    tasks: tasks.length > 0 ? await evaluateTasks(model, tasks, { limit, signal, onProgress }) : [],
    speed: options.speed ?? (await decodeSpeed(model, 32, signal)),
    sample: prompt === undefined ? undefined : await continuation(model, prompt, sampleTokens, signal),
  };
}

/** The window where none is asked for. */
export function perplexityWindow({ contextLength }: Pick<ModelConfig, "contextLength">): number {
  return Math.min(1024, contextLength);
}

/** Perplexity with a session of its own; where not given, a window of at most 1,024 tokens and half of it as stride. */
export async function modelPerplexity(
  model: Model,
  tokens: readonly number[],
  { window, stride, signal, onProgress }: Pick<ProfileOptions, "window" | "stride" | "signal" | "onProgress"> = {},
): Promise<TextPerplexity> {
  if (model.config.bidirectional) throw refuseEncoder(model.name);
  const context = window ?? perplexityWindow(model.config);
  checkWindow(model, context);
  const session = model.session({ output: "loss", contextLength: context });
  try {
    const step = stride ?? Math.max(2, context >> 1);
    const found = await perplexity(session, tokens, { window: context, stride: step, signal, onProgress });
    return { ...found, bitsPerByte: bitsPerByte(model, tokens, found) };
  } finally {
    session.dispose();
  }
}

/** The first token is not predicted. */
function bitsPerByte({ tokenizer }: Model, tokens: readonly number[], found: Perplexity): number | undefined {
  if (!tokenizer) return undefined;
  const bytes = new TextEncoder().encode(tokenizer.decode(tokens.slice(1), { special: true })).length;
  return (found.meanLoss / Math.LN2) * (found.predicted / bytes);
}

async function continuation(
  model: Model,
  prompt: string,
  maxTokens: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  let text = "";
  const options = { maxTokens, temperature: 0, ...(signal && { signal }) };
  for await (const piece of model.generate(prompt, options)) text += piece;
  signal?.throwIfAborted();
  return text;
}
