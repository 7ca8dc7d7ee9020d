import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dataPath, smolLM2Path } from "../../test/data.ts";
import { type CommandLineOptions, commandLine } from "./terminal.testing.ts";
import { tinyModel } from "./tiny-model.testing.ts";

let tiny: Awaited<ReturnType<typeof tinyModel>>;
beforeAll(async () => {
  tiny = await tinyModel();
});
afterAll(() => tiny.remove());

const chat = (words: readonly string[], options?: CommandLineOptions) =>
  commandLine(["chat", ...words, "--temperature", "0"], options);

describe("chat over a pipe", () => {
  it("answers line by line, and skips empty ones", async () => {
    const { code, out, err } = await chat([tiny.path, "-n", "4"], { input: "Hi\n\n  \nHo" });
    expect(code).toBe(0);
    expect(out.endsWith("\n")).toBe(true);
    expect(err).toMatch(/SIMD, \d+ threads?; \/reset starts anew/);
    expect(err.match(/stopped by --max-tokens/g)).toHaveLength(2);
  });

  it("feeds only what is new, says so in its document, and keeps the system message", async () => {
    const input = "Hi\nHo\n/reset\nHi\n";
    const { code, out, err } = await chat([tiny.path, "-n", "4", "--system", "Be kind.", "--json"], { input });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const { turns, ...rest } = JSON.parse(out);
    expect(rest).toEqual({
      model: tiny.path,
      schedule: "0-2",
      engine: expect.stringContaining("SIMD"),
      system: "Be kind.",
      seed: null,
    });
    expect(turns.map((turn: { user: string }) => turn.user)).toEqual(["Hi", "Ho", "Hi"]);
    const [first, second, third] = turns;
    // <|system|>Be kind.</s> are 10 tokens, <|user|>Hi</s><|assistant|> 5.
    expect(first).toEqual({
      user: "Hi",
      assistant: expect.any(String),
      finish: "max-tokens",
      tokens: { prompt: 15, reused: 0, generated: 4 },
      droppedTurns: 0,
      rates: { promptTokensPerSecond: expect.any(Number), decodeTokensPerSecond: expect.any(Number) },
    });
    expect(second.tokens.reused).toBeGreaterThanOrEqual(15);
    expect(second.tokens.reused + second.tokens.prompt).toBeGreaterThanOrEqual(15 + 6);
    expect(third).toMatchObject({ assistant: first.assistant, tokens: { prompt: 1, reused: 14 } });
  });

  it("forgets the oldest turns when the context is full, and says so", async () => {
    const message = "x".repeat(40);
    const { code, out } = await chat([tiny.path, "-n", "4", "--json"], { input: `${message}\n`.repeat(4) });
    expect(code).toBe(0);
    const dropped = JSON.parse(out).turns.map((turn: { droppedTurns: number }) => turn.droppedTurns);
    expect(dropped).toEqual([0, 0, 1, 1]);
    const { err } = await chat([tiny.path, "-n", "4"], { input: `${message}\n`.repeat(3) });
    expect(err).toContain("(the context of 128 tokens was full: the oldest turn is forgotten)");
  });

  it("says that an answer ends with the context", async () => {
    const { code, err } = await chat([tiny.path, "--context", "8"], { input: "Hi\n" });
    expect(code).toBe(0);
    expect(err).toContain("(the context of 8 tokens is full, so the answer ends here)");
  });

  it("leaves at /exit, and knows its commands", async () => {
    const { code, out, err } = await chat([tiny.path, "-n", "2"], { input: "/bye\n/exit\nHi\n" });
    expect({ code, out }).toEqual({ code: 0, out: "" });
    expect(err).toContain("(there is no /bye; there are /reset and /exit)");
  });

  it("ends at Ctrl-C, with what was said until then", async () => {
    const { code, out, err } = await chat([tiny.path], {
      input: "Hi\nHo\n",
      onStart: (terminal) => terminal.stdout.once("written", () => terminal.emit("SIGINT")),
    });
    expect(code).toBe(130);
    expect(out.endsWith("\n")).toBe(true);
    expect(err).toContain("(stopped)");
  });

  it.each([
    [
      "a message longer than the context",
      ["--context", "8"],
      "x".repeat(20),
      "takes 23 tokens; the model's context holds 8",
    ],
    ["no such file", [], "", "There is no file or folder"],
    ["bad numbers", ["--temperature", "hot"], "", '--temperature: got "hot"'],
  ])("refuses %s", async (what, words, input, message) => {
    const model = what === "no such file" ? "nowhere.gguf" : tiny.path;
    const { code, err } = await commandLine(["chat", model, ...words], { input });
    expect(code).toBe(2);
    expect(err).toContain(message);
  });

  it("refuses a model without a chat template and names run", async () => {
    const plain = await tinyModel({ chat: false });
    const { code, out, err } = await chat([plain.path], { input: "Hi\n" }).finally(plain.remove);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^error: the model has no chat template.*\nhelp: .*`?run`?.*\n$/);
  });
});

const stories = dataPath("models/stories260K/stories260K.bin");
it.skipIf(stories === undefined)("chat refuses stories260K (needs the shared test data)", async () => {
  expect((await chat([stories!])).code).toBe(2);
});

const smol = smolLM2Path();
it.skipIf(smol === undefined)("chat with SmolLM2 (needs `node test/fetch-models.mjs`)", async () => {
  const { out } = await chat([smol!], { input: "What is the capital of France?\nAnd of Germany?\n" });
  expect(out).toBe("The capital of France is Paris.\nThe capital of Germany is Berlin.\n");
});
