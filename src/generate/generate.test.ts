import { describe, expect, it } from "vitest";
import { failure } from "../errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type GenerateOptions, type GenerateStats, generate, type TokenModel } from "./generate.ts";

/** Tokens 0 … are these texts; 0 begins and 1 ends. */
const pieces = ["", "", "a", "b", "c", "d", "<", "|", ">"];

function fakeTokenizer(bos: number | undefined = 0): Tokenizer {
  const text = (token: number) => pieces[token] ?? "";
  return {
    vocabSize: pieces.length,
    bos,
    stops: [1],
    mask: undefined,
    special: new Set<number>(),
    frame: { before: [], after: [] },
    encode: (input) => Array.from(input, (character) => pieces.indexOf(character)),
    decode: (tokens) => tokens.map(text).join(""),
    stream: () => ({ push: text, end: () => "" }),
    piece: text,
    hasChat: false,
    chat: () => "",
    files: () => ({ "tokenizer.json": "", "tokenizer_config.json": "" }),
  };
}

/** Answers with the tokens of a script, one a feed, whatever it is fed. */
class ScriptedModel implements TokenModel {
  readonly vocabSize = pieces.length;
  readonly fed: number[][] = [];
  position = 0;
  readonly contextLength: number;
  private readonly script: readonly number[];

  constructor(script: readonly number[], contextLength = 100) {
    this.script = script;
    this.contextLength = contextLength;
  }

  async feed(tokens: readonly number[], options: { readonly signal?: AbortSignal } = {}): Promise<Float32Array> {
    options.signal?.throwIfAborted();
    this.fed.push([...tokens]);
    this.position += tokens.length;
    const logits = new Float32Array(this.vocabSize);
    logits[this.script[this.fed.length - 1] ?? 2] = 10;
    return logits;
  }
}

async function run(
  model: TokenModel,
  prompt: readonly number[],
  options: GenerateOptions = {},
  tokenizer = fakeTokenizer(),
) {
  const parts: string[] = [];
  const done: GenerateStats[] = [];
  for await (const text of generate(model, tokenizer, prompt, { temperature: 0, ...options }, (s) => done.push(s))) {
    parts.push(text);
  }
  expect(done).toHaveLength(1);
  return { parts, text: parts.join(""), stats: done[0]! };
}

describe("generate", () => {
  it("feeds the prompt at once and then each token, and stops at a stop token", async () => {
    const model = new ScriptedModel([2, 3, 4, 1]);
    const { parts, stats } = await run(model, [0, 5, 5]);
    expect(parts).toEqual(["a", "b", "c"]);
    expect(model.fed).toEqual([[0, 5, 5], [2], [3], [4]]);
    expect(stats).toMatchObject({ promptTokens: 3, generatedTokens: 3, decodedTokens: 3, finish: "stop-token" });
    expect(stats.promptSeconds).toBeGreaterThanOrEqual(0);
    expect(stats.decodeSeconds).toBeGreaterThan(0);
  });

  it("stops after maxTokens without feeding the last token", async () => {
    const model = new ScriptedModel([2, 3, 4, 5]);
    const { text, stats } = await run(model, [0], { maxTokens: 3 });
    expect(text).toBe("abc");
    expect(model.fed).toEqual([[0], [2], [3]]);
    expect(stats).toMatchObject({ generatedTokens: 3, decodedTokens: 2, finish: "max-tokens" });
  });

  it("goes on after a stop token where told to", async () => {
    const { text, stats } = await run(new ScriptedModel([2, 1, 3]), [0], { ignoreStops: true, maxTokens: 3 });
    expect(text).toBe("ab");
    expect(stats).toMatchObject({ generatedTokens: 3, finish: "max-tokens" });
  });

  it("stops at a stop text over several tokens and shows nothing of it", async () => {
    const { parts, stats } = await run(new ScriptedModel([2, 6, 7, 8, 3]), [0], { stop: ["<|>"] });
    expect(parts).toEqual(["a"]);
    expect(stats).toMatchObject({ generatedTokens: 4, finish: "stop-text" });
  });

  it("shows text that was held back for a stop text which did not come", async () => {
    const { text } = await run(new ScriptedModel([2, 6, 7, 1]), [0], { stop: ["<|>"] });
    expect(text).toBe("a<|");
  });

  it("stops where the context is full", async () => {
    const model = new ScriptedModel([2, 3, 4, 5], 4);
    const { text, stats } = await run(model, [0, 5]);
    expect(text).toBe("abc");
    expect(model.position).toBe(4);
    expect(stats.finish).toBe("context");
  });

  it("takes a prompt that fills the context exactly", async () => {
    const { text, stats } = await run(new ScriptedModel([2], 3), [0, 5, 5]);
    expect(text).toBe("a");
    expect(stats.finish).toBe("context");
  });

  it("shows what is held back, then reports", async () => {
    const order: string[] = [];
    const model = new ScriptedModel([6, 1]);
    for await (const text of generate(model, fakeTokenizer(), [0], { temperature: 0, stop: ["<|>"] }, () =>
      order.push("done"),
    )) {
      order.push(text);
    }
    expect(order).toEqual(["<", "done"]);
  });

  it("ends without an error when aborted between tokens", async () => {
    const controller = new AbortController();
    const parts: string[] = [];
    const done: GenerateStats[] = [];
    const options = { temperature: 0, signal: controller.signal };
    for await (const text of generate(new ScriptedModel([2, 3, 4]), fakeTokenizer(), [0], options, (s) =>
      done.push(s),
    )) {
      parts.push(text);
      if (parts.length === 2) controller.abort();
    }
    expect(parts).toEqual(["a", "b"]);
    expect(done[0]).toMatchObject({ generatedTokens: 2, finish: "aborted" });
  });

  it("gives the event loop a turn, so that an abort from outside is seen", async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    const model = new ScriptedModel(new Array<number>(100_000).fill(2), 1_000_000);
    const { stats } = await run(model, [0], { signal: controller.signal, maxTokens: 100_000 });
    expect(stats.finish).toBe("aborted");
  });

  it("ends without an error when aborted within the prompt", async () => {
    const { text, stats } = await run(new ScriptedModel([2]), [0], { signal: AbortSignal.abort() });
    expect(text).toBe("");
    expect(stats).toMatchObject({ promptTokens: 0, generatedTokens: 0, finish: "aborted" });
  });

  it("reports when the caller breaks off", async () => {
    const done: GenerateStats[] = [];
    for await (const _ of generate(new ScriptedModel([2, 3]), fakeTokenizer(), [0], {}, (s) => done.push(s))) break;
    expect(done[0]).toMatchObject({ generatedTokens: 1, finish: "aborted" });
  });

  it("passes on an error of the model and does not report", async () => {
    const model = new ScriptedModel([2]);
    model.feed = () => Promise.reject(failure("broken", "the model broke"));
    const done: GenerateStats[] = [];
    const all = generate(model, fakeTokenizer(), [0], {}, (s) => done.push(s));
    await expect(all.next()).rejects.toThrow("the model broke");
    expect(done).toEqual([]);
  });

  it("penalizes the last 64 tokens, prompt included", async () => {
    // All logits are equal but that of "a", which is higher: it wins only when it is out of the window.
    const model = new ScriptedModel([]);
    const options = { repetitionPenalty: 10, maxTokens: 2 };
    const textAfter = (gap: number) => run(model, [2, ...new Array<number>(gap).fill(0)], { ...options, maxTokens: 1 });
    model.feed = async () => Float32Array.of(1, 1, 5, 4, 1, 1, 1, 1, 1);
    expect((await textAfter(63)).text).toBe("b");
    expect((await textAfter(64)).text).toBe("a");
    expect((await run(model, [0], options)).text).toBe("ab");
  });

  it("starts from the begin token where the prompt is empty", async () => {
    const model = new ScriptedModel([2, 1]);
    expect((await run(model, [])).stats.promptTokens).toBe(1);
    expect(model.fed[0]).toEqual([0]);
  });

  it("refuses an empty prompt where there is no begin token", async () => {
    const tokenizer = { ...fakeTokenizer(), bos: undefined };
    await expect(run(new ScriptedModel([2]), [], {}, tokenizer)).rejects.toMatchObject({ code: "empty-prompt" });
  });

  it("refuses a prompt longer than the context, with both figures", async () => {
    const model = new ScriptedModel([2], 4);
    await expect(run(model, [0, 2, 2, 2, 2])).rejects.toMatchObject({
      code: "prompt-too-long",
      message: "the prompt has 5 tokens; the model's context holds 4",
    });
    model.position = 2;
    await expect(run(model, [0, 2, 2])).rejects.toThrow("3 tokens; the model's context holds 4, of which 2 are in use");
    expect(model.fed).toEqual([]);
  });

  it.each([
    [{ maxTokens: 0 }, "generate-option", "maxTokens is 0; it should be an integer from 1"],
    [{ maxTokens: 1.5 }, "generate-option", "maxTokens is 1.5"],
    [{ stop: ["x", ""] }, "generate-option", "a stop text is empty"],
    [{ topP: 2 }, "sampling-option", "topP is 2"],
  ])("refuses %o", async (bad, code, message) => {
    const attempt = run(new ScriptedModel([2]), [0], bad);
    await expect(attempt).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });
});
