/**
 * A conversation that keeps its cache: every turn renders all messages anew in the model's chat template, and only the tokens behind
 * the longest beginning that the cache already holds are fed. So nothing is assumed about templates, some of which write
 * earlier turns differently once there are later ones.
 */
import { failure, inputError } from "../errors.ts";
import type { ChatMessage, Tokenizer } from "../text/tokenizer.ts";
import { type GenerateOptions, type GenerateStats, generate, type TokenModel } from "./generate.ts";

/** A model whose cache can be cut back, such as a Session. */
export interface CachedModel extends TokenModel {
  /** Forgets everything after the first `position` tokens. */
  rewind(position: number): void;
}

export interface Turn {
  readonly user: string;
  readonly assistant: string;
}

/** `promptTokens` of the stats are those that were fed. */
export interface AnswerStats extends GenerateStats {
  /** Tokens that the cache held already. */
  readonly reusedTokens: number;
  /** Oldest turns that had to go to make room. */
  readonly droppedTurns: number;
}

/** The part of the context that an answer finds free, if that takes no more than leaving out older turns. */
const FREE_SHARE = 1 / 4;

export class Conversation {
  private readonly model: CachedModel;
  private readonly tokenizer: Tokenizer;
  private readonly system: string | undefined;
  private readonly history: Turn[] = [];
  /** The tokens in the cache. The model may have read further, where a prompt was interrupted. */
  private held: number[] = [];

  /** @throws input error `no-chat-template` where the tokenizer has none. */
  constructor(model: CachedModel, tokenizer: Tokenizer, system?: string) {
    this.model = model;
    this.tokenizer = tokenizer;
    this.system = system;
    // Refuses now what would be refused at the first message.
    this.render([], "Hello");
  }

  /** The turns that the model still knows of, oldest first. */
  get turns(): readonly Turn[] {
    return this.history;
  }

  /** Forgets all turns; the system message stays. */
  reset(): void {
    this.history.length = 0;
  }

  /**
   * The answer to `message`, piece by piece. Where not all turns fit, the oldest are forgotten. An answer that is interrupted counts
   * as far as it came; if that is nothing, the message is forgotten too.
   * @throws input errors `prompt-too-long` where the message alone does not fit (nothing is forgotten then), `chat-template`, and those of `generate`.
   */
  async *answer(
    message: string,
    options: GenerateOptions = {},
    onDone?: (stats: AnswerStats) => void,
  ): AsyncGenerator<string> {
    const { tokens, droppedTurns } = this.fit(message, options.maxTokens);
    const reusedTokens = this.keepBeginning(tokens);
    this.history.splice(0, droppedTurns);
    let text = "";
    let stats: GenerateStats | undefined;
    const fresh = tokens.slice(reusedTokens);
    try {
      for await (const piece of generate(this.recording(), this.tokenizer, fresh, options, (s) => (stats = s))) {
        text += piece;
        yield piece;
      }
    } finally {
      if (stats) {
        if (text !== "" || stats.finish !== "aborted") this.history.push({ user: message, assistant: text });
        onDone?.({ ...stats, reusedTokens, droppedTurns });
      }
    }
  }

  /** The tokens to be read, without as many old turns as it takes to leave room for an answer. */
  private fit(message: string, maxTokens = Number.POSITIVE_INFINITY): { tokens: number[]; droppedTurns: number } {
    const { contextLength } = this.model;
    const room = contextLength - Math.min(maxTokens, Math.floor(contextLength * FREE_SHARE));
    for (let droppedTurns = 0; ; droppedTurns++) {
      const tokens = this.render(this.history.slice(droppedTurns), message);
      if (tokens.length <= room) return { tokens, droppedTurns };
      if (droppedTurns < this.history.length) continue;
      if (tokens.length <= contextLength) return { tokens, droppedTurns };
      throw inputError(
        "prompt-too-long",
        `the message takes ${tokens.length} tokens; the model's context holds ${contextLength}`,
        "Shorten the message, or use a longer --context if the model allows it.",
      );
    }
  }

  /** Cuts the cache back to what it has in common with `tokens`, of which at least the last must be fed to give logits. */
  private keepBeginning(tokens: readonly number[]): number {
    let common = 0;
    while (common < Math.min(this.held.length, tokens.length - 1) && this.held[common] === tokens[common]) common++;
    this.model.rewind(common);
    this.held.length = common;
    return common;
  }

  private render(turns: readonly Turn[], message: string): number[] {
    const messages: ChatMessage[] = [
      ...(this.system === undefined ? [] : [{ role: "system", content: this.system }]),
      ...turns.flatMap(({ user, assistant }) => [
        { role: "user", content: user },
        { role: "assistant", content: assistant },
      ]),
      { role: "user", content: message },
    ];
    const tokens = this.tokenizer.encode(this.tokenizer.chat(messages), { special: false });
    if (tokens.length === 0) throw failure("chat-template", "the model's chat template gives an empty text");
    return tokens;
  }

  /** The model, with a record of what it is fed. */
  private recording(): TokenModel {
    const { model, held } = this;
    return {
      contextLength: model.contextLength,
      vocabSize: model.vocabSize,
      get position() {
        return model.position;
      },
      feed: async (tokens, options) => {
        const logits = await model.feed(tokens, options);
        held.push(...tokens);
        return logits;
      },
    };
  }
}
