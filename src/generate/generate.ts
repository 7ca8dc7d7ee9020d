/**
 * The generation loop: feed the prompt, then choose a token, show its text, feed it, until something says stop. It knows no
 * transformer and no cache, only a model that takes tokens and gives logits.
 */
import { inputError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { createSampler, type SamplerOptions } from "./sampler.ts";
import { stopText } from "./stop-text.ts";

export interface TokenModel {
  /** Tokens that fit into the cache. */
  readonly contextLength: number;
  readonly vocabSize: number;
  /** Tokens in the cache. */
  readonly position: number;
  /**
   * Appends tokens to the cache. Long prompts are split inside, and the event loop gets a turn between the parts. Rejects where
   * `signal` is aborted.
   * @returns the logits after the last token, `vocabSize` of them, valid until the next call.
   */
  feed(
    tokens: readonly number[],
    options?: { readonly signal?: AbortSignal | undefined; readonly onProgress?: OnProgress },
  ): Promise<Float32Array>;
}

export interface GenerateOptions extends SamplerOptions {
  /** An integer from 1; default as many as the context holds. */
  readonly maxTokens?: number;
  /** Texts that end the generation; they are not shown. */
  readonly stop?: readonly string[];
  /** Go on after the model's own end of text. */
  readonly ignoreStops?: boolean;
  /** Ends the generation after the token in progress, or within the prompt. No error is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Reports the prompt. */
  readonly onProgress?: OnProgress | undefined;
}

export interface GenerateStats {
  /** Tokens of the prompt that were fed: all, unless that was interrupted. */
  readonly promptTokens: number;
  /** Chosen by the sampler, without a stop token. */
  readonly generatedTokens: number;
  /** Those of them that were fed, which is what takes time: the last one usually is not. */
  readonly decodedTokens: number;
  /** Feeding the prompt. */
  readonly promptSeconds: number;
  /** Choosing and feeding the generated tokens; what the caller does with the text is not counted. */
  readonly decodeSeconds: number;
  /** Which of them came first. "aborted" is also a caller that stopped to read. */
  readonly finish: "stop-token" | "stop-text" | "max-tokens" | "context" | "aborted";
}

/**
 * Milliseconds after which the event loop gets a turn: playing one token never leaves the current task, and neither Ctrl-C nor
 * a click would be seen before the last one.
 */
const turnEvery = 30;

/** The repetition penalty is for this many last tokens, those of the prompt included; llama.cpp's figure. */
const penaltyWindow = 64;

/**
 * Gives the text in parts of at least one character. The last token of all is not fed, so the cache ends before it.
 * @param promptTokens with the token that begins a text, where the model has one. If there are none, that token is the prompt.
 * @param onDone called once at the end, unless that is an error.
 * @throws input errors `generate-option`, `sampling-option`, `empty-prompt`, `prompt-too-long`.
 */
export async function* generate(
  model: TokenModel,
  tokenizer: Tokenizer,
  promptTokens: readonly number[],
  options: GenerateOptions,
  onDone?: (stats: GenerateStats) => void,
): AsyncGenerator<string> {
  const { maxTokens = Number.POSITIVE_INFINITY, stop = [], signal } = options;
  checkOptions(maxTokens, stop);
  const sample = createSampler(options);
  const prompt = checkPrompt(model, tokenizer, promptTokens);
  const stopTokens = new Set(options.ignoreStops ? [] : tokenizer.stops);
  const text = tokenizer.stream();
  // The first generated token may continue the prompt: its leading space, or a character begun there.
  for (const token of prompt) text.push(token);
  const stops = stopText(stop);
  const recent = prompt.slice(-penaltyWindow);
  const feed = async (tokens: readonly number[], onProgress?: OnProgress) => {
    try {
      return await model.feed(tokens, { ...(signal && { signal }), ...(onProgress && { onProgress }) });
    } catch (error) {
      // A model that was interrupted rejects; that is no failure.
      if (signal?.aborted) return undefined;
      throw error;
    }
  };

  let finish: GenerateStats["finish"] = "aborted";
  const begin = model.position;
  let promptRead = 0;
  let generatedTokens = 0;
  let decodedTokens = 0;
  let promptSeconds = 0;
  let decodeSeconds = 0;
  let failed = false;
  try {
    let started = performance.now();
    let logits = await feed(prompt, options.onProgress);
    promptSeconds = secondsSince(started);
    promptRead = model.position - begin;
    let lastTurn = performance.now();
    while (logits !== undefined && !signal?.aborted) {
      started = performance.now();
      const token = sample(logits, recent);
      decodeSeconds += secondsSince(started);
      if (stopTokens.has(token)) {
        finish = "stop-token";
        break;
      }
      generatedTokens++;
      const shown = stops.push(text.push(token));
      if (shown !== "") yield shown;
      if (stops.stopped) finish = "stop-text";
      else if (generatedTokens >= maxTokens) finish = "max-tokens";
      else if (model.position >= model.contextLength) finish = "context";
      if (finish !== "aborted") break;
      recent.push(token);
      if (recent.length > penaltyWindow) recent.shift();
      started = performance.now();
      logits = await feed([token]);
      decodeSeconds += secondsSince(started);
      if (logits !== undefined) decodedTokens++;
      if (performance.now() - lastTurn >= turnEvery) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        lastTurn = performance.now();
      }
    }
    const rest = stops.push(text.end()) + stops.end();
    if (rest !== "") yield rest;
  } catch (error) {
    failed = true;
    throw error;
  } finally {
    // A caller that breaks off gets here too.
    const tokens = { promptTokens: promptRead, generatedTokens, decodedTokens };
    if (!failed) onDone?.({ ...tokens, promptSeconds, decodeSeconds, finish });
  }
}

function checkOptions(maxTokens: number, stop: readonly string[]): void {
  const whole = Number.isSafeInteger(maxTokens) || maxTokens === Number.POSITIVE_INFINITY;
  if (!whole || maxTokens < 1) {
    throw inputError("generate-option", `maxTokens is ${maxTokens}; it should be an integer from 1`);
  }
  if (stop.includes("")) {
    throw inputError("generate-option", "a stop text is empty, which would stop before the first character");
  }
}

function checkPrompt(model: TokenModel, tokenizer: Tokenizer, tokens: readonly number[]): readonly number[] {
  if (tokens.length === 0) {
    if (tokenizer.bos !== undefined) return [tokenizer.bos];
    throw inputError(
      "empty-prompt",
      "the prompt is empty, and this model has no token that begins a text",
      "Give a prompt of at least one character.",
    );
  }
  const room = model.contextLength - model.position;
  if (tokens.length > room) {
    const used = model.position === 0 ? "" : `, of which ${model.position} are in use`;
    throw inputError(
      "prompt-too-long",
      `the prompt has ${tokens.length} tokens; the model's context holds ${model.contextLength}${used}`,
      "Shorten the prompt, or use a longer --context if the model allows it.",
    );
  }
  return tokens;
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
