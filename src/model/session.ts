/**
 * A session: one sequence being read by one schedule. It owns a cache and a program; the weights are the model's.
 */
import type { CacheType } from "../engine/attention-layout.ts";
import type { Graph } from "../engine/graph.ts";
import { type Plan, plan } from "../engine/plan.ts";
import { LoadedProgram } from "../engine/wasm/loaded-program.ts";
import type { ParameterStore } from "../engine/wasm/parameter-store.ts";
import type { WasmPlayer } from "../engine/wasm/player.ts";
import { inputError, type RefrainError } from "../errors.ts";
import type { OnProgress } from "../progress.ts";
import type { Steps } from "../schedule/schedule.ts";
import { yieldToEvents } from "../yield.ts";
import type { Adapter } from "./adapter.ts";
import type { ModelConfig } from "./config.ts";
import { hiddenName, network } from "./network.ts";
import { ropeTable } from "./rope.ts";

/** Tokens that one play takes at most; longer prompts are played in chunks. */
const CHUNK = 128;
/** Context that is reserved where nobody asks for one: a cache grows with it. */
export const DEFAULT_CONTEXT = 2048;

export interface SessionOptions {
  /** Positions of the cache; without it the model's own limit, at most 2,048. */
  readonly contextLength?: number | undefined;
  /** How keys and values are kept; without it, f32. */
  readonly cache?: CacheType | undefined;
  /**
   * What a play ends in: the logits of the last token, those of every token, these and the loss of every token, or the
   * final state of every token.
   */
  readonly output?: "last-logits" | "all-logits" | "loss" | "state";
  /** Keep the hidden state before every step and after the last. */
  readonly hidden?: boolean;
  /** What linear maps are adapted with; its parameters are in the store. */
  readonly adapter?: Adapter | undefined;
}

export interface PlayOptions {
  /** First row whose output is wanted; `tokens.length` for none. */
  readonly tail?: number;
  /** A token for each row from `tail` on; -1 asks for no loss. */
  readonly targets?: ArrayLike<number>;
}

export interface FeedOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** The context of a session of this model; refuses more than the model was made for. */
export function contextLength(config: ModelConfig, wanted: number | undefined): number {
  if (wanted === undefined) return Math.min(config.contextLength, DEFAULT_CONTEXT);
  if (!Number.isInteger(wanted) || wanted < 1) {
    throw inputError("context", `context: expected a whole number of tokens, got ${wanted}`);
  }
  if (wanted > config.contextLength) {
    throw inputError(
      "context",
      `context: ${wanted} tokens are more than the ${config.contextLength} that this model was made for`,
      `Ask for at most --context ${config.contextLength}.`,
    );
  }
  return wanted;
}

/** The error where something needs a model that continues text, and `name` is an encoder. */
export function refuseEncoder(name: string): RefrainError {
  return inputError(
    "encoder",
    `${name} is an encoder: it predicts masked tokens from both sides and does not continue text`,
    "Use a model that continues text (llama, qwen2, qwen3, mistral, mobilellm, gpt2); an encoder is judged by `eval --text`.",
  );
}

/** The plan of a session: what memory it takes is known before any is taken. */
export function planSession(
  config: ModelConfig,
  steps: Steps,
  storage: Parameters<typeof plan>[1],
  threads: number,
  options: SessionOptions = {},
): { graph: Graph; plan: Plan } {
  const context = contextLength(config, options.contextLength);
  const { output = "last-logits", hidden = false, cache = "f32", adapter } = options;
  const table = ropeTable(config.rope, config.headWidth, context);
  const ends = { loss: output === "loss", state: output === "state" };
  const graph = network(config, steps, { table, ...ends, hidden, adapter });
  // An encoder reads a sequence whole.
  const maxRows = config.bidirectional ? context : Math.min(CHUNK, context);
  const tailRows = output === "last-logits" ? 1 : maxRows;
  return { graph, plan: plan(graph, storage, { maxRows, tailRows, context, threads, cache }) };
}

export class Session {
  readonly contextLength: number;
  readonly vocabSize: number;
  readonly plan: Plan;
  private readonly steps: Steps;
  private readonly hiddenSize: number;
  private readonly bidirectional: boolean;
  private readonly output: NonNullable<SessionOptions["output"]>;
  private readonly program: LoadedProgram;
  private at = 0;

  constructor(
    player: WasmPlayer,
    store: ParameterStore,
    config: ModelConfig,
    steps: Steps,
    options: SessionOptions = {},
  ) {
    this.plan = planSession(config, steps, (parameter) => store.type(parameter), player.threads, options).plan;
    this.contextLength = this.plan.limits.context;
    this.vocabSize = config.vocabSize;
    this.hiddenSize = config.hiddenSize;
    this.bidirectional = config.bidirectional;
    this.steps = steps;
    this.output = options.output ?? "last-logits";
    this.program = new LoadedProgram(player, store, this.plan);
  }

  /** Tokens read so far. */
  get position(): number {
    return this.at;
  }

  /** Most tokens that `play` takes at once. */
  get maxRows(): number {
    return this.plan.limits.maxRows;
  }

  /** Forgets everything after the first `position` tokens. */
  rewind(position: number): void {
    if (!Number.isInteger(position) || position < 0 || position > this.at) {
      throw new Error(`rewind: expected 0 to ${this.at}, got ${position}`);
    }
    this.at = position;
  }

  /**
   * Appends at most `maxRows` tokens in one synchronous play. The output is computed for the rows from `tail` on, by
   * default as many as it has room for; with output "loss", `targets` names the token that each of them is to predict.
   */
  play(tokens: ArrayLike<number>, { tail, targets }: PlayOptions = {}): void {
    for (let i = 0; i < tokens.length; i++) this.checkToken(tokens[i]!);
    for (let i = 0; i < (targets?.length ?? 0); i++) if (targets![i] !== -1) this.checkToken(targets![i]!);
    this.checkRoom(tokens.length);
    if (this.bidirectional && this.at > 0)
      throw new Error("play: an encoder reads a sequence whole; rewind to 0 first");
    this.program.play(tokens, this.at, tail ?? (this.output === "last-logits" ? tokens.length - 1 : 0), targets);
    this.at += tokens.length;
  }

  /**
   * Appends tokens, in chunks, and lets the event loop run after each; the logits after the last token, a view that
   * the next play overwrites.
   */
  async feed(tokens: readonly number[], { signal, onProgress }: FeedOptions = {}): Promise<Float32Array> {
    if (this.bidirectional) throw refuseEncoder("this model");
    if (this.output !== "last-logits") throw new Error("feed: this session does not end in the last logits");
    if (tokens.length === 0) throw new Error("feed: no tokens");
    this.checkRoom(tokens.length);
    for (let first = 0; first < tokens.length; first += this.maxRows) {
      signal?.throwIfAborted();
      const chunk = tokens.slice(first, first + this.maxRows);
      this.play(chunk);
      if (tokens.length > this.maxRows) {
        const done = first + chunk.length;
        onProgress?.({ label: "reading the prompt", done, total: tokens.length, unit: "tokens" });
      }
      await yieldToEvents();
    }
    return this.logits(0);
  }

  /** Logits of row `row` of the last play's tail: a view [vocabulary]. */
  logits(row: number): Float32Array {
    const { data, stride } = this.program.output("logits", row + 1);
    return data.subarray(row * stride, row * stride + this.vocabSize);
  }

  /** Losses of the rows of the last play, in nats: a copy. */
  losses(rows: number): Float32Array {
    return this.program.output("loss", rows).data.slice(0, rows);
  }

  /** Hidden states of the last play before `step` (or after the last, `step` = number of steps): a copy [rows, width]. */
  hidden(step: number, rows: number): Float32Array {
    return this.copy(hiddenName(step), rows);
  }

  /** What the output projection would read after the last play, with output "state": a copy [rows, width]. */
  state(rows: number): Float32Array {
    return this.copy("state", rows);
  }

  private copy(name: string, rows: number): Float32Array {
    const { data, stride } = this.program.output(name, rows);
    const out = new Float32Array(rows * this.hiddenSize);
    for (let r = 0; r < rows; r++) {
      out.set(data.subarray(r * stride, r * stride + this.hiddenSize), r * this.hiddenSize);
    }
    return out;
  }

  /** Hidden states at every boundary: before each step and after the last. */
  allHidden(rows: number): Float32Array[] {
    return Array.from({ length: this.steps.length + 1 }, (_, step) => this.hidden(step, rows));
  }

  dispose(): void {
    this.program.dispose();
  }

  private checkRoom(tokens: number): void {
    if (this.at + tokens <= this.contextLength) return;
    throw inputError(
      "context-full",
      `${tokens} more tokens after ${this.at} do not fit the context of ${this.contextLength}`,
      "Use a shorter text, or a longer --context if the model allows it.",
    );
  }

  private checkToken(token: number): void {
    if (Number.isInteger(token) && token >= 0 && token < this.vocabSize) return;
    throw inputError(
      "token",
      `token ${token} is not in the model's vocabulary of ${this.vocabSize}`,
      "The tokenizer and the model do not belong together.",
    );
  }
}
