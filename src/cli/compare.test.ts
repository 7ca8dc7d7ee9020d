import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bench, bench } from "./measuring.testing.ts";
import { commandLine } from "./terminal.testing.ts";

let at: Bench;
beforeAll(async () => {
  at = await bench();
});
afterAll(() => at.remove());

const compare = (...words: string[]) => commandLine(["compare", ...words]);
const albert = join(import.meta.dirname, "../../test/fixtures/models/albert");
const gpt2 = join(import.meta.dirname, "../../test/fixtures/models/gpt2");

describe("compare", () => {
  it("names every model and schedule, and has a column for each", async () => {
    const { code, out } = await compare(at.model, gpt2, "--schedule", "0 2", "--schedule", "0x2");
    expect(code).toBe(0);
    expect(out.split("\n").slice(0, 4)).toEqual([
      ...["0-2", "0 2", "0x2"].map((schedule, i) => `${"ABC"[i]}  ${at.model}, schedule ${schedule}`),
      `D  ${gpt2}, schedule 0-1`,
    ]);
    expect(out).toMatch(/^ +A +B +C +D$/m);
    expect(out).toMatch(/^layers played +3 +2 +0\.67× +2 +0\.67× +2 +0\.67×$/m);
    expect(out).toContain("add --text FILE");
  });

  it("stays within 110 columns, however long the names and schedules are", async () => {
    const schedules = ["0 2 1 2 0 1 0 2", "0x2 1x2 2x2"].flatMap((schedule) => ["--schedule", schedule]);
    const { out } = await compare(at.model, ...schedules, "--text", at.text, "--tokens", "200");
    const table = out
      .split("\n")
      .slice(4)
      .filter((line) => !/^[A-Z]/.test(line));
    expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(110);
  });

  it("gives one document with --json, perplexity and what they say with it", async () => {
    const words = [at.model, "--schedule", "0 2", "--text", at.text, "--tokens", "200", "--prompt", "The cat"];
    const { code, out, err } = await compare(...words, "--json");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const { models, text } = JSON.parse(out);
    expect(text).toMatchObject({ name: "cat.txt" });
    expect(models).toHaveLength(2);
    for (const [i, schedule] of ["0-2", "0 2"].entries()) {
      expect(models[i]).toMatchObject({ schedule, perplexity: { window: 128, stride: 64, tokens: 200 } });
      expect(models[i].perplexity.perplexity).toBeGreaterThan(1);
      expect(models[i].speed.tokensPerSecond).toBeGreaterThan(0);
      expect(models[i].sample.length).toBeGreaterThan(0);
    }
    expect(models[1].weightBytes).toBeLessThan(models[0].weightBytes);

    const evaluated = await commandLine(["eval", at.model, "--text", at.text, "--tokens", "200", "--json"]);
    expect(models[0].perplexity.perplexity).toBe(JSON.parse(evaluated.out).perplexity);
  });

  it("prints Markdown when asked", async () => {
    const { out } = await compare(at.model, "--markdown");
    expect(out).toMatch(/^- \*\*A\*\* `.*`, schedule `0-2`\n\n\|.*\| A \|\n\| :-- \| --: \|\n/);
  });

  it.each<[string, (b: Bench) => string[], string | RegExp]>([
    ["no model", () => [], /MODEL/i],
    ["a model that is missing", (b) => [b.model, "nowhere.gguf"], "There is no file or folder nowhere.gguf"],
    ["an unknown block", (b) => [b.model, "--schedule", "0-3"], "the model has no block 3, it has 3\n  0-3\n    ^"],
    ["a text without a tokenizer", (b) => [gpt2, "--text", b.text], "has no tokenizer"],
    ["an empty text", (b) => [b.model, "--text", b.empty], "is empty"],
    ["a window beyond the context", (b) => [b.model, "--text", b.text, "--window", "200"], /200[\s\S]*128/],
    [
      "an encoder, before it measures anything",
      (b) => [b.model, albert],
      /albert is an encoder.*\nhelp: .*`eval --text`/,
    ],
  ])("refuses %s", async (_, words, message) => {
    const { code, out, err } = await compare(...words(at));
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^error: [\s\S]*\nhelp: /);
    expect(err).toMatch(message);
  });
});
