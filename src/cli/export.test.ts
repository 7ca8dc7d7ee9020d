import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { type Bench, bench } from "./measuring.testing.ts";
import { commandLine } from "./terminal.testing.ts";

let at: Bench;
beforeAll(async () => {
  at = await bench();
});
afterAll(() => at.remove());

const run = (...words: string[]) => commandLine(words);

describe("export", () => {
  it("writes a file that runs as its source does, with the tokenizer", async () => {
    const out = at.path("tiny.gguf");
    const { code, out: said } = await run("export", at.model, "-o", out, "--schedule", "0x2 2");
    expect(code).toBe(0);
    expect(said).toContain("the same logits as the source, to the bit");
    expect(said).toContain("llama.cpp would play each block once");
    const greedy = ["Hello", "-n", "8", "--temperature", "0", "--quiet"];
    const [before, after] = [
      await run("run", at.model, "--schedule", "0x2 2", ...greedy),
      await run("run", out, ...greedy),
    ];
    expect(after).toEqual(before);
    expect(after.code).toBe(0);
  });

  it("prints one document with --json", async () => {
    const out = at.path("q8.gguf");
    const { code, out: text, err } = await run("export", at.model, "-o", out, "--weights", "q8", "--json");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(JSON.parse(text)).toMatchObject({
      out,
      plays: "0-2",
      unrolled: false,
      tokenizer: "gpt2",
      verification: { difference: 0, tokens: 64 },
    });
    expect((await run("export", at.model, "-o", out, "--weights", "q8", "--overwrite")).out).toMatch(
      /matrices stay in 16 bits: rows that are no multiple of 32/,
    );
  });

  it("says where a model has no tokenizer", async () => {
    const { code, out } = await run("export", fixturePath("models/gpt2"), "-o", at.path("none.gguf"));
    expect(code).toBe(0);
    expect(out).toContain("The model has no tokenizer");
  });

  it("refuses a model that GGUF has no form for", async () => {
    const { code, err } = await run("export", fixturePath("models/albert"), "-o", at.path("albert.gguf"));
    expect(code).toBe(2);
    expect(err).toContain('a model of the type "albert" cannot be written as GGUF');
    expect(err).toContain("help: ");
  });

  it.each([
    [["--weights", "q8"], "-o FILE is missing"],
    [["-o", "x.gguf", "--weights", "q5"], "expected one of q8, q4, f16, f32"],
    [["-o", "x.gguf", "--schedule", "0-9"], "9"],
    [["-o", "."], "is a folder"],
  ])("refuses %j", async (words, message) => {
    const { code, err } = await run("export", at.model, ...words);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).toContain("help: ");
    expect(readdirSync(".")).not.toContain("x.gguf");
  });
});
