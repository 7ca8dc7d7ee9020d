import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dataPath, smolLM2Path } from "../../test/data.ts";
import { type CommandLineOptions, commandLine } from "./terminal.testing.ts";
import { tinyModel } from "./tiny-model.testing.ts";

let tiny: Awaited<ReturnType<typeof tinyModel>>;
beforeAll(async () => {
  tiny = await tinyModel();
});
afterAll(() => tiny.remove());

const run = (words: readonly string[], options?: CommandLineOptions) => commandLine(["run", ...words], options);
const greedy = (...words: string[]) => run([tiny.path, "Hello", "--temperature", "0", ...words]);

describe("run", () => {
  it("streams the text to stdout and says on stderr how it went", async () => {
    const { code, out, err } = await greedy("-n", "12", "--threads", "1");
    expect(code).toBe(0);
    expect(out.trimEnd().length).toBeGreaterThan(0);
    expect(out.endsWith("\n")).toBe(true);
    expect(err).toMatch(
      /^5 prompt tokens \([\d.,]+ tok\/s\), 12 new tokens \([\d.,]+ tok\/s\); stopped by --max-tokens; (relaxed|plain) SIMD, 1 thread\n$/,
    );
  });

  it("gives one document with --json", async () => {
    const { out: text } = await greedy("-n", "12");
    const { code, out, err } = await greedy("-n", "12", "--json", "--schedule", "0 1 2");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(JSON.parse(out)).toEqual({
      model: tiny.path,
      schedule: "0-2",
      engine: expect.stringMatching(/SIMD, \d+ threads?$/),
      prompt: "Hello",
      text: text.slice(0, -1),
      tokens: { prompt: 5, generated: 12 },
      finish: "max-tokens",
      rates: { promptTokensPerSecond: expect.any(Number), decodeTokensPerSecond: expect.any(Number) },
      seed: null,
    });
  });

  it("has no decode rate where nothing was decoded", async () => {
    const { rates } = JSON.parse((await greedy("-n", "1", "--json")).out);
    expect(rates.decodeTokensPerSecond).toBeNull();
  });

  it("tells the seed, which repeats the text", async () => {
    const words = [tiny.path, "Hello", "-n", "24", "--temperature", "3"];
    const { out, err } = await run(words);
    const [, seed] = /seed (\d+)/.exec(err)!;
    expect((await run([...words, "--seed", seed!])).out).toBe(out);
    expect((await run([...words, "--seed", `${Number(seed) + 1}`])).out).not.toBe(out);
  });

  it("hands every sampling option on", async () => {
    const { out } = await greedy("-n", "12");
    const bold = ["-n", "12", "--temperature", "50", "--seed", "1"];
    for (const narrow of [
      ["--top-k", "1"],
      ["--top-p", "1e-9"],
      ["--min-p", "1"],
    ]) {
      expect((await run([tiny.path, "Hello", ...bold, ...narrow])).out).toBe(out);
    }
    expect((await run([tiny.path, "Hello", ...bold])).out).not.toBe(out);
    expect((await greedy("-n", "60", "--repetition-penalty", "10")).out).not.toBe((await greedy("-n", "60")).out);
  });

  it("ends before any of the --stop texts", async () => {
    const words = [tiny.path, "Hello", "-n", "30", "--temperature", "3", "--seed", "1"];
    const text = (await run(words)).out;
    const [early, late] = [text.slice(3, 6), text.slice(8, 11)];
    const { out, err } = await run([...words, "--stop", late, "--stop", early]);
    expect(out).toBe(`${text.slice(0, 3)}\n`);
    expect(err).toContain("stopped by --stop");
  });

  it("ends where the context does", async () => {
    const { code, err } = await greedy("--context", "9");
    expect(code).toBe(0);
    expect(err).toContain("5 new tokens");
    expect(err).toContain("the context of 9 tokens is full");
  });

  it("prints the plan when asked, and goes on", async () => {
    const { code, out, err } = await greedy("-n", "3", "--plan", "--json");
    expect({ code, text: typeof JSON.parse(out).text }).toEqual({ code: 0, text: "string" });
    expect(err).toMatch(/^weights .*\ncaches .* 3 played attentions × 128 positions, f32\n[\s\S]*\nprogram .*\n$/);
  });

  it("reads the prompt from a pipe, without its last line break", async () => {
    const piped = await run([tiny.path, "--json", "-n", "2"], { input: "Hel\nlo\n" });
    expect(JSON.parse(piped.out)).toMatchObject({ prompt: "Hel\nlo", tokens: { prompt: 6 } });
  });

  it("puts the prompt into the chat template only when asked", async () => {
    const { out } = await greedy("-n", "2", "--chat", "--json");
    expect(JSON.parse(out)).toMatchObject({ prompt: "Hello", tokens: { prompt: 8 } }); // <|user|>Hello</s><|assistant|>
  });

  it("ends the text at Ctrl-C, prints the rates and tells the shell", async () => {
    const interrupt: CommandLineOptions = {
      onStart: (terminal) => terminal.stdout.once("written", () => terminal.emit("SIGINT")),
    };
    const words = [tiny.path, "Hello", "--temperature", "0", "-n", "100"];
    const { code, out, err } = await run(words, interrupt);
    expect(code).toBe(130);
    expect(out.endsWith("\n")).toBe(true);
    expect((await run(words)).out.startsWith(out.trimEnd())).toBe(true);
    expect(err).toMatch(/^5 prompt tokens .*; interrupted; .*\n$/);
  });

  it("stops without a word when nobody reads its text any more, and says so when a disk is full", async () => {
    const broken = (code: string): CommandLineOptions => ({
      onStart: ({ stdout }) =>
        stdout.once("written", () => stdout.emit("error", Object.assign(new Error(code), { code }))),
    });
    const words = [tiny.path, "Hello", "--temperature", "0", "-n", "100"];
    expect(await run(words, broken("EPIPE"))).toMatchObject({ code: 0, err: "" });
    expect(await run(words, broken("ENOSPC"))).toMatchObject({
      code: 1,
      err: "error: Cannot write the output: ENOSPC\n",
    });
  });

  it("prints its document after Ctrl-C too", async () => {
    const { code, out } = await run([tiny.path, "Hello", "--json", "--plan"], {
      onStart: (terminal) => terminal.stderr.once("written", () => terminal.emit("SIGINT")),
    });
    expect(code).toBe(130);
    expect(JSON.parse(out)).toMatchObject({ prompt: "Hello", text: "", finish: "aborted" });
  });

  const fixture = join(import.meta.dirname, "../../test/fixtures/models/gpt2");
  it.each([
    ["no such model", ["nowhere.gguf", "Hello"], "There is no file or folder nowhere.gguf"],
    ["a model without a tokenizer", [fixture, "Hello"], "test/fixtures/models/gpt2 has no tokenizer"],
    ["an empty prompt for a model that cannot begin", ["", ""], "this model has no token that begins a text"],
    ["a prompt longer than the context", ["", "Hello", "--context", "4"], "has 5 tokens; the model's context holds 4"],
    ["more context than the model has", ["", "Hello", "--context", "200"], "are more than the 128"],
    [
      "a schedule with an unknown block",
      ["", "Hello", "--schedule", "0-3"],
      "the model has no block 3, it has 3\n  0-3\n    ^",
    ],
    ["a schedule that is none", ["", "Hello", "--schedule", "0-2x2"], "a repeat right behind a range"],
    ["no number", ["", "Hello", "--temperature", "warm"], '--temperature: got "warm", expected a number from 0 to 100'],
    ["a share of nothing", ["", "Hello", "--top-p", "0"], '--top-p: got "0", expected a number above 0, to 1'],
    ["a share above all", ["", "Hello", "--min-p", "1.1"], '--min-p: got "1.1", expected a number from 0 to 1'],
    ["no penalty", ["", "Hello", "--repetition-penalty", "0"], "expected a number above 0, to 10"],
    ["half a token", ["", "Hello", "--top-k", "2.5"], '--top-k: got "2.5", expected a whole number from 0'],
    ["no tokens", ["", "Hello", "--max-tokens", "0"], '--max-tokens: got "0", expected a whole number from 1'],
    ["a negative seed", ["", "Hello", "--seed", "-1"], '--seed: got "-1", expected a whole number from 0'],
    ["an empty stop text", ["", "Hello", "--stop", ""], '--stop: got "", expected a text of at least one character'],
  ])("refuses %s", async (_, [model, ...rest], message) => {
    const { code, out, err } = await run([model === "" ? tiny.path : model!, ...rest]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^error: [\s\S]*\n$/);
    expect(err).toContain(message);
  });

  it("refuses --chat where the model has no template", async () => {
    const plain = await tinyModel({ chat: false });
    const { code, err } = await run([plain.path, "Hello", "--chat"]).finally(plain.remove);
    expect(code).toBe(2);
    expect(err).toContain("the model has no chat template");
  });

  it("refuses an empty pipe, and a terminal without a prompt", async () => {
    for (const input of ["", " \n"]) {
      expect(await run([tiny.path], { input })).toMatchObject({
        code: 2,
        err: expect.stringContaining("the prompt on standard input is empty\nhelp: Write it behind the model"),
      });
    }
    const onStart: CommandLineOptions["onStart"] = (terminal) => Object.assign(terminal.stdin, { isTTY: true });
    expect(await run([tiny.path], { onStart })).toMatchObject({
      code: 2,
      err: expect.stringContaining("PROMPT is missing"),
    });
  });
});

const stories = dataPath("models/stories260K/stories260K.bin");
describe.skipIf(stories === undefined)("run stories260K (needs the shared test data)", () => {
  it("writes what llama2.c writes", async () => {
    const { code, out } = await run([stories!, "", "--temperature", "0", "-n", "200"]);
    expect(code).toBe(0);
    expect(
      out,
    ).toBe(`Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.
Lily's mom said, "Lily, let's go to the park." Lily was sad and didn't know what to do. She said, "I want to play with your ball, but I can't find it."
Lily was sad and didn't know what to do. She said, "I'm sorry, Lily. I didn't know what to do."
Lily didn't want to help her mom, so she
`);
  });
});

const smol = smolLM2Path();
describe.skipIf(smol === undefined)("run SmolLM2 (needs `node test/fetch-models.mjs`)", () => {
  it("answers in its chat template, until it ends its turn", async () => {
    const { code, out, err } = await run([smol!, "What is the capital of France?", "--chat", "--temperature", "0"]);
    expect({ code, out }).toEqual({ code: 0, out: "The capital of France is Paris.\n" });
    expect(err).toContain("the model ended its text");
  });
});
