import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bench, bench } from "./measuring.testing.ts";
import { commandLine } from "./terminal.testing.ts";
import { tinyEncoder } from "./tiny-model.testing.ts";

let at: Bench;
beforeAll(async () => {
  at = await bench();
});
afterAll(() => at.remove());

const evaluate = (...words: string[]) => commandLine(["eval", ...words]);
const evaluateAlone = (...words: string[]) => evaluate(...words, "--threads", "1");
const fixtures = join(import.meta.dirname, "../../test/fixtures/tasks");
const gpt2 = join(import.meta.dirname, "../../test/fixtures/models/gpt2");

describe("eval", () => {
  it("states perplexity with window, stride and schedule", async () => {
    const { code, out } = await evaluate(at.model, "--text", at.text, "--window", "64", "--stride", "16");
    expect(code).toBe(0);
    expect(out).toMatch(/^perplexity [\d.,]+ /);
    expect(out).toMatch(/cat\.txt, .* 1,519 of them predicted[\s\S]*of 64 tokens, stride 16/);
    expect(out).toContain("schedule 0-2");
  });

  it("gives one document with --json, and the same figure each time", async () => {
    const words = [at.model, "--text", at.text, "--tokens", "300", "--json"];
    const { code, out, err } = await evaluate(...words);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const document = JSON.parse(out);
    // Without a --window, all that the model's context holds; half of it is the stride.
    expect(document).toMatchObject({ model: at.model, window: 128, stride: 64, tokens: 300, predicted: 299 });
    expect(document.perplexity).toBeCloseTo(Math.exp(document.meanLoss), 6);
    expect(JSON.parse((await evaluate(...words)).out).perplexity).toBe(document.perplexity);
  });

  it("is another figure with another schedule", async () => {
    const words = [at.model, "--text", at.text, "--tokens", "300", "--json"];
    const [plain, short] = [await evaluate(...words), await evaluate(...words, "--schedule", "0 2")];
    expect(JSON.parse(short.out).schedule).toBe("0 2");
    expect(JSON.parse(short.out).perplexity).not.toBeCloseTo(JSON.parse(plain.out).perplexity, 3);
  });

  it("shows what an 8-bit cache costs, and says that there was one", async () => {
    const words = [at.model, "--text", at.text, "--tokens", "300"];
    const [f32, q8] = [await evaluate(...words, "--json"), await evaluate(...words, "--json", "--cache", "q8")];
    expect([JSON.parse(f32.out).cache, JSON.parse(q8.out).cache]).toEqual(["f32", "q8"]);
    expect(JSON.parse(q8.out).perplexity).not.toBe(JSON.parse(f32.out).perplexity);
    expect(JSON.parse(q8.out).perplexity / JSON.parse(f32.out).perplexity).toBeCloseTo(1, 2);
    expect((await evaluate(...words, "--cache", "q8")).out).toContain("schedule 0-2, q8 cache");
  });

  it.each<[string, (b: Bench) => string[], string | RegExp]>([
    ["no text", (b) => [b.model], "refrain eval: --text FILE is missing"],
    ["an empty text", (b) => [b.model, "--text", b.empty], "is empty"],
    ["a text in Latin 1", (b) => [b.model, "--text", b.latin1], "is not UTF-8"],
    ["a text that is missing", (b) => [b.model, "--text", b.path("none.txt")], /none\.txt/],
    ["a model without a tokenizer", (b) => [gpt2, "--text", b.text], "test/fixtures/models/gpt2 has no tokenizer"],
    [
      "a cache that there is not",
      (b) => [b.model, "--text", b.text, "--cache", "q4"],
      'got "q4", expected one of f32, q8',
    ],
    ["a window beyond the context", (b) => [b.model, "--text", b.text, "--window", "200"], /200[\s\S]*128/],
    [
      "a stride beyond the window",
      (b) => [b.model, "--text", b.text, "--window", "64", "--stride", "65"],
      /stride: .*64, got 65/,
    ],
    [
      "a stride of 1",
      (b) => [b.model, "--text", b.text, "--stride", "1"],
      '--stride: got "1", expected a whole number from 2',
    ],
    [
      "too few tokens",
      (b) => [b.model, "--text", b.text, "--tokens", "2"],
      '--tokens: got "2", expected a whole number from 3',
    ],
  ])("refuses %s", async (_, words, message) => {
    const { code, out, err } = await evaluate(...words(at));
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^error: /);
    expect(err).toMatch(message);
  });
});

describe("eval of an encoder", () => {
  let encoder: Awaited<ReturnType<typeof tinyEncoder>>;
  let maskless: Awaited<ReturnType<typeof tinyEncoder>>;
  beforeAll(async () => {
    encoder = await tinyEncoder();
    maskless = await tinyEncoder({ mask: false });
  });
  afterAll(() => Promise.all([encoder.remove(), maskless.remove()]));

  it("states pseudo-perplexity, and what it is", async () => {
    const { code, out } = await evaluateAlone(encoder.path, "--text", at.text, "--tokens", "60", "--window", "16");
    expect(code).toBe(0);
    expect(out).toMatch(/^pseudo-perplexity [\d.,]+ .*nats a masked token/);
    expect(out).toMatch(/cat\.txt, the first 60 tokens, 60 of them masked in turn and predicted from both sides/);
    expect(out).toMatch(/one of 16 tokens around each masked token; not to be compared with a decoder's perplexity/);
    expect(out).toContain("schedule 0x3");
  });

  it("gives one document with --json, and the same figure each time; another with another schedule", async () => {
    const words = [encoder.path, "--text", at.text, "--tokens", "40", "--json"];
    const { code, out, err } = await evaluateAlone(...words);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const document = JSON.parse(out);
    // Without a --window, all that the model's context holds; the text is shorter, with [CLS] and [SEP] around it.
    expect(document).toMatchObject({ window: 64, tokens: 40, predicted: 40, tokensRead: 40 * 42 });
    expect(document.perplexity).toBeUndefined();
    expect(document.pseudoPerplexity).toBeCloseTo(Math.exp(document.meanLoss), 6);
    expect(JSON.parse((await evaluateAlone(...words)).out).pseudoPerplexity).toBe(document.pseudoPerplexity);
    const other = JSON.parse((await evaluateAlone(...words, "--schedule", "0x2")).out);
    expect(other.pseudoPerplexity).not.toBeCloseTo(document.pseudoPerplexity, 3);
  });

  it.each<[string, () => string[], string | RegExp]>([
    [
      "a stride",
      () => [encoder.path, "--text", at.text, "--stride", "8"],
      /is an encoder, whose windows have no --stride/,
    ],
    ["a tokenizer without a mask", () => [maskless.path, "--text", at.text], /has no mask[\s\S]*mask_token/],
    ["a window beyond the context", () => [encoder.path, "--text", at.text, "--window", "65"], /65[\s\S]*64/],
    ["a window that its frame fills", () => [encoder.path, "--text", at.text, "--window", "3"], /leave room for 1/],
    ["an empty text", () => [encoder.path, "--text", at.empty], "is empty"],
    [
      "tasks",
      () => [encoder.path, "--tasks", "piqa", "--data", fixtures],
      /is an encoder: it .*does not continue text/,
    ],
    ["--generation", () => [encoder.path, "--text", at.text, "--generation"], /is an encoder: it .*not continue text/],
  ])("refuses %s", async (_, words, message) => {
    const { code, out, err } = await evaluateAlone(...words());
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^error: /);
    expect(err).toMatch(message);
  });

  it("refuses a text of one token", async () => {
    await writeFile(at.path("one.txt"), "a");
    const { code, err } = await evaluateAlone(encoder.path, "--text", at.path("one.txt"));
    expect(code).toBe(2);
    expect(err).toMatch(/the text has 1 tokens[\s\S]*longer --text/);
  });
});
