import { describe, expect, it } from "vitest";
import { inputError } from "../errors.ts";
import type { ChatMessage, Tokenizer } from "../text/tokenizer.ts";
import { type AnswerStats, type CachedModel, Conversation } from "./conversation.ts";
import type { GenerateOptions } from "./generate.ts";

const END = ".".charCodeAt(0);

/** A character is a token; "." ends an answer. A conversation reads "[u hello][a world." */
function tokenizer(chat = template): Tokenizer {
  const text = (token: number) => String.fromCharCode(token);
  return {
    vocabSize: 128,
    bos: undefined,
    stops: [END],
    mask: undefined,
    special: new Set<number>(),
    frame: { before: [], after: [] },
    encode: (input) => Array.from(input, (character) => character.charCodeAt(0)),
    decode: (tokens) => tokens.map(text).join(""),
    stream: () => ({ push: text, end: () => "" }),
    piece: text,
    hasChat: true,
    chat,
    files: () => ({ "tokenizer.json": "", "tokenizer_config.json": "" }),
  };
}

function template(messages: readonly ChatMessage[]): string {
  const turns = messages.map(({ role, content }) => `[${role[0]} ${content}${role === "assistant" ? "." : ""}]`);
  return `${turns.join("")}[a `;
}

/** Says what it is told to, character by character, and knows what is in its cache. */
class Parrot implements CachedModel {
  readonly vocabSize = 128;
  readonly fed: string[] = [];
  readonly contextLength: number;
  cache = "";
  private lines: string[];
  private line = "";

  constructor(lines: readonly string[], contextLength = 1000) {
    this.lines = [...lines];
    this.contextLength = contextLength;
  }

  get position(): number {
    return this.cache.length;
  }

  rewind(position: number): void {
    expect(position).toBeLessThanOrEqual(this.cache.length);
    this.cache = this.cache.slice(0, position);
  }

  async feed(tokens: readonly number[], { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Float32Array> {
    const text = String.fromCharCode(...tokens);
    if (text.endsWith("[a ")) {
      this.fed.push(text);
      this.line = this.lines.shift()!;
      if (this.line === "INTERRUPT") {
        // As a Session does: a part is read when the interruption is seen.
        this.cache += text.slice(0, 4);
        throw new Error(`aborted ${signal?.aborted}`);
      }
    }
    this.cache += text;
    const logits = new Float32Array(128);
    logits[this.line === "" ? END : this.line.charCodeAt(0)] = 10;
    this.line = this.line.slice(1);
    return logits;
  }
}

async function ask(conversation: Conversation, message: string, options: GenerateOptions = {}) {
  let stats: AnswerStats | undefined;
  let text = "";
  for await (const piece of conversation.answer(message, { temperature: 0, ...options }, (s) => (stats = s))) {
    text += piece;
  }
  return { text, stats: stats! };
}

describe("Conversation", () => {
  it("feeds only what the cache does not hold", async () => {
    const model = new Parrot(["world", "fine"]);
    const conversation = new Conversation(model, tokenizer());
    expect((await ask(conversation, "hello")).text).toBe("world");
    expect(model.cache).toBe("[u hello][a world");
    const { text, stats } = await ask(conversation, "how?");
    expect(text).toBe("fine");
    expect(model.fed).toEqual(["[u hello][a ", ".][u how?][a "]);
    expect(stats).toMatchObject({ reusedTokens: 17, promptTokens: 13, droppedTurns: 0, finish: "stop-token" });
    expect(conversation.turns).toEqual([
      { user: "hello", assistant: "world" },
      { user: "how?", assistant: "fine" },
    ]);
  });

  it("reads on from where the new text differs, whatever the template does to earlier turns", async () => {
    const model = new Parrot(["world", "fine"]);
    // Like templates that leave the thoughts of earlier answers out.
    const forgetful = (messages: readonly ChatMessage[]) =>
      template(messages.map((m) => (m.role === "assistant" ? { ...m, content: m.content.slice(0, 2) } : m)));
    const conversation = new Conversation(model, tokenizer(forgetful));
    await ask(conversation, "hello");
    await ask(conversation, "how?");
    expect(model.fed[1]).toBe(".][u how?][a ");
    expect(model.cache).toBe("[u hello][a wo.][u how?][a fine");
  });

  it("feeds at least one token, also where the cache holds them all", async () => {
    const model = new Parrot(["", "world"]);
    const conversation = new Conversation(model, tokenizer());
    await ask(conversation, "hello", { signal: AbortSignal.abort() });
    await ask(conversation, "hello");
    expect(model.fed).toEqual(["[u hello][a "]);
    conversation.reset();
    const { stats } = await ask(conversation, "hello");
    expect(stats).toMatchObject({ reusedTokens: 11, promptTokens: 1 });
  });

  it("keeps the system message when it starts anew", async () => {
    const model = new Parrot(["world", "fine"]);
    const conversation = new Conversation(model, tokenizer(), "be kind");
    await ask(conversation, "hello");
    conversation.reset();
    expect(conversation.turns).toEqual([]);
    await ask(conversation, "how?");
    expect(model.cache).toBe("[s be kind][u how?][a fine");
  });

  it("keeps an interrupted answer as far as it came, and goes on from there", async () => {
    const model = new Parrot(["world", "fine"]);
    const conversation = new Conversation(model, tokenizer());
    for await (const piece of conversation.answer("hello", { temperature: 0 })) if (piece === "r") break;
    expect(conversation.turns).toEqual([{ user: "hello", assistant: "wor" }]);
    await ask(conversation, "how?");
    expect(model.cache).toBe("[u hello][a wor.][u how?][a fine");
  });

  it("forgets a message that was interrupted before an answer began, and what was read of it", async () => {
    const controller = new AbortController();
    controller.abort();
    const model = new Parrot(["world", "INTERRUPT", "fine"]);
    const conversation = new Conversation(model, tokenizer());
    await ask(conversation, "hello");
    const { text, stats } = await ask(conversation, "how?", { signal: controller.signal });
    expect({ text, finish: stats.finish }).toEqual({ text: "", finish: "aborted" });
    await ask(conversation, "why?");
    expect(model.cache).toBe("[u hello][a world.][u why?][a fine");
    expect(conversation.turns.map(({ user }) => user)).toEqual(["hello", "why?"]);
  });

  it("forgets the oldest turns where a quarter of the context would not be free", async () => {
    const model = new Parrot(["world", "fine", "so"], 60);
    const conversation = new Conversation(model, tokenizer(), "s");
    await ask(conversation, "hello");
    await ask(conversation, "how?");
    const { stats } = await ask(conversation, "why?");
    expect(stats).toMatchObject({ droppedTurns: 1, reusedTokens: 9 });
    expect(model.cache).toBe("[s s][u how?][a fine.][u why?][a so");
    expect(conversation.turns.map(({ user }) => user)).toEqual(["how?", "why?"]);
  });

  it("needs less room for a short answer", async () => {
    const model = new Parrot(["world", "fine", "so"], 60);
    const conversation = new Conversation(model, tokenizer(), "s");
    for (const message of ["hello", "how?", "why?"]) {
      expect((await ask(conversation, message, { maxTokens: 6 })).stats.droppedTurns).toBe(0);
    }
  });

  it("ends an answer where the context does", async () => {
    const conversation = new Conversation(new Parrot(["a long story"], 20), tokenizer());
    const { text, stats } = await ask(conversation, "hello");
    expect({ text, finish: stats.finish }).toEqual({ text: "a long st", finish: "context" });
  });

  it("refuses a message that does not fit, and forgets nothing for it", async () => {
    const conversation = new Conversation(new Parrot(["world", "fine"], 40), tokenizer());
    await ask(conversation, "hello");
    await expect(ask(conversation, "x".repeat(40))).rejects.toMatchObject({
      code: "prompt-too-long",
      message: "the message takes 47 tokens; the model's context holds 40",
    });
    expect(conversation.turns).toHaveLength(1);
  });

  it("says at once that there is no template, or that it refuses the system message", () => {
    const chat = () => {
      throw inputError("no-chat-template", "none");
    };
    expect(() => new Conversation(new Parrot([]), tokenizer(chat))).toThrow("none");
    expect(
      () =>
        new Conversation(
          new Parrot([]),
          tokenizer(() => ""),
        ),
    ).toThrow("empty text");
  });
});
