/** `shrink --by vocabulary` on the model of this package: 2,048 tokens, trained byte pairs. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandLine } from "../cli/terminal.testing.ts";
import { tinyEncoder } from "../cli/tiny-model.testing.ts";
import { load } from "../refrain.ts";

const model = join(import.meta.dirname, "../../models/stories.gguf");
const story = "Once upon a time, there was a little girl named Lily. She liked to play with her red ball in the park. ";
let folder: string;
let text: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-vocabulary-"));
  text = join(folder, "text.txt");
  await writeFile(text, story.repeat(40));
});
afterAll(() => rm(folder, { recursive: true }));

const shrink = (...words: string[]) => commandLine(["shrink", model, "--by", "vocabulary", ...words]);
const json = async (path: string) => JSON.parse(await readFile(path, "utf8"));

describe("shrink --by vocabulary", () => {
  it("writes the same bytes again, and a model that says the same of the tokens that stay", async () => {
    const folders = ["once", "twice"].map((name) => join(folder, name));
    for (const out of folders) {
      const { code, out: said, err } = await shrink("--params", "0.9", "--text", text, "-o", out, "--json");
      expect({ code, err }).toEqual({ code: 0, err: "" });
      const { parameters, verification } = JSON.parse(said);
      expect(parameters.written / parameters.source).toBeLessThanOrEqual(0.9);
      expect(parameters.written / parameters.source).toBeGreaterThan(0.89);
      expect(verification.difference).toBe(0);
    }
    const [names, again] = await Promise.all(folders.map((each) => readdir(each)));
    expect(again).toEqual(names);
    for (const name of names!) {
      const [a, b] = await Promise.all(folders.map((each) => readFile(join(each, name))));
      expect(a!.equals(b!), name).toBe(true);
    }
    const { method } = await json(join(folders[0]!, "shrink.json"));
    const kept: number[] = method.scores;
    expect(method.vocabulary).toMatchObject({ after: kept.length, covered: 1, longer: 1 });
    expect(await json(join(folders[0]!, "config.json"))).toMatchObject({ vocab_size: kept.length, eos_token_id: 0 });

    const [whole, smaller] = await Promise.all(
      [model, folders[0]!].map((path) => load(path, { threads: 1, weights: "f32" })),
    );
    try {
      const tokens = whole!.needTokenizer().encode(story);
      const fewer = smaller!.needTokenizer().encode(story);
      expect(fewer.map((place) => kept[place])).toEqual(tokens);
      const logits = Float32Array.from(await whole!.session().feed(tokens));
      const fewerLogits = await smaller!.session().feed(fewer);
      const difference = Math.max(...kept.map((id, place) => Math.abs(logits[id]! - fewerLogits[place]!)));
      // The rows are rounded to F16: 11 bits of numbers up to 20.
      expect(difference).toBeLessThan(0.01);
    } finally {
      await Promise.all([whole!.dispose(), smaller!.dispose()]);
    }
  }, 60_000);

  it("heals from the text itself, since the model as it was has other tokens", async () => {
    const out = join(folder, "healed");
    const { code, err } = await shrink("--params", "0.9", "--text", text, "--heal", "256", "-o", out, "--quiet");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const { healed } = await json(join(out, "shrink.json"));
    expect(healed.settings).not.toHaveProperty("teacher");
    expect(healed.losses.after).toBeLessThan(healed.losses.before);
  }, 60_000);

  it("refuses a share without room for the characters, with the least that there is", async () => {
    const { code, err } = await shrink("--params", "0.5", "--text", text, "-o", join(folder, "no"));
    expect(code).toBe(2);
    expect(err).toMatch(
      /0\.5 of the parameters leaves no room for the \d+ tokens[^:]*: with them and all layers it is 0\.\d{4}/,
    );
  });

  it("refuses a share of all", async () => {
    const { code, err } = await shrink("--params", "1", "--text", text, "-o", join(folder, "no"));
    expect([code, err]).toEqual([2, expect.stringContaining("no token has to go")]);
  });

  it("refuses steps to drop, and a model that predicts no next token", async () => {
    const steps = await shrink("--drop", "1", "--text", text, "-o", join(folder, "no"));
    expect([steps.code, steps.err]).toEqual([2, expect.stringContaining("--drop does not go with --by vocabulary")]);
    const encoder = await tinyEncoder();
    try {
      const words = ["shrink", encoder.path, "--by", "vocabulary", "--params", "0.9", "--window", "32", "--text", text];
      const { code, err } = await commandLine([...words, "-o", join(folder, "no")]);
      expect([code, err]).toEqual([2, expect.stringContaining("encoder")]);
    } finally {
      await encoder.remove();
    }
  });
});
