import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { commandLine } from "./terminal.testing.ts";
import { tinyModel } from "./tiny-model.testing.ts";

let model: { path: string; remove: () => Promise<void> };
let folder: string;
const path = (name: string) => join(folder, name);
beforeAll(async () => {
  model = await tinyModel();
  folder = await mkdtemp(join(tmpdir(), "refrain-heal-"));
  await writeFile(path("cat.txt"), "The cat sat on the mat. The dog sat on the log. ".repeat(60));
});
afterAll(async () => {
  await model.remove();
  await rm(folder, { recursive: true });
});

const small = () => [
  "--text",
  path("cat.txt"),
  "--length",
  "16",
  "--tokens",
  "640",
  "--rate",
  "0.02",
  "--threads",
  "1",
];
const heal = (...words: string[]) => commandLine(["heal", model.path, ...words]);
const distill = (...words: string[]) => commandLine(["distill", ...words]);

describe("heal", () => {
  it("prints the plan before and the perplexities after, and writes an adapter that is played", async () => {
    const out = path("adapter");
    const { code, out: said, err } = await heal("--schedule", "0 2", "--teacher", "0-2", ...small(), "-o", out);
    expect(code, err).toBe(0);
    expect(err).toMatch(/^weights .*\n[\s\S]*in all .* MB\n/);
    expect(said).toMatch(
      /perplexity on held-out text [\d.,]+ before, [\d.,]+ after 10 steps \(loss \d\.\d+, \d\.\d+\)\./,
    );
    expect(said).toContain(`--schedule '0 2' --adapter ${out}`);
    expect((await readdir(out)).sort()).toEqual([
      "adapter_config.json",
      "adapter_model.safetensors",
      "curve.png",
      "curve.svg",
      "heal.json",
      "heal.jsonl",
    ]);
    expect(await readdir(folder)).not.toContain("adapter.heal.safetensors");
    expect(JSON.parse(await readFile(join(out, "heal.json"), "utf8"))).toMatchObject({
      source: model.path,
      schedule: "0 2",
      runSteps: 10,
      settings: { healed: { kind: "lora", rank: 8 }, teacher: { schedule: "0-2" }, crossEntropy: 0, rate: 0.02 },
      text: { name: "cat.txt", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    const run = await commandLine(["run", model.path, "The cat", "-n", "4", "--threads", "1", "--adapter", out]);
    expect(run.code).toBe(0);

    const again = await heal("--schedule", "0 2", ...small(), "-o", out);
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining(`${out} `) });
    expect((await heal("--schedule", "0 2", ...small(), "-o", out, "--overwrite")).code).toBe(0);

    const other = ["run", fixturePath("models/gpt2"), "x", "--adapter", out];
    expect(await commandLine(other)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/is for another model: it plays "0 2", but the model has no block 2.*made for/),
    });
  });

  it.each([
    ["--merge", ["--rank", "2", "--merge"]],
    ["--layers", ["--layers", "1"]],
  ])("with %s writes a model; --json is one document", async (name, words) => {
    const out = path(name);
    const { code, out: said, err } = await heal("--schedule", "0 2", ...words, ...small(), "-o", out, "--json");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const { losses, perplexities, ...document } = JSON.parse(said);
    expect(losses.after).toBeLessThan(losses.before);
    expect(perplexities.after).toBeCloseTo(Math.exp(losses.after), 6);
    expect(document).toMatchObject({
      out,
      runSteps: 10,
      steps: 10,
      tokens: 640,
      memory: { total: expect.any(Number) },
    });
    const { code: run } = await commandLine(["run", out, "The cat", "-n", "4", "--threads", "1"]);
    expect(run).toBe(0);
    expect(await readdir(out)).toEqual(expect.arrayContaining(["config.json", "heal.json", "tokenizer.json"]));
  });

  it.each<[string, string[], RegExp]>([
    ["no folder to write", ["--text", "x"], /-o OUT is missing/],
    ["no text", ["-o", "x"], /--text FILE is missing/],
    ["layers and a rank", ["-o", "x", "--layers", "1", "--rank", "2"], /--layers trains weights/],
    ["two budgets", ["-o", "x", "--tokens", "9", "--minutes", "1"], /--tokens and --minutes/],
    ["a temperature without a teacher", ["-o", "x", "--temperature", "2"], /--temperature is for a --teacher/],
    ["a rank that is none", ["-o", "x", "--rank", "0"], /--rank/],
  ])("refuses %s", async (_, words, message) => {
    const { code, out, err } = await heal(...words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
  });

  it("refuses what the text, the teacher and the folder cannot give", async () => {
    await writeFile(path("short.txt"), "The cat.");
    expect((await heal("--text", path("short.txt"), "-o", path("a"))).err).toMatch(/the text has \d+ tokens/);
    expect((await heal(...small(), "--teacher", "nowhere", "-o", path("a"))).err).toMatch(/nowhere/);
    expect((await heal(...small(), "--teacher", "0-9", "-o", path("a"))).err).toMatch(/block/);
    expect((await heal(...small(), "-o", model.path)).code).toBe(2);
    expect((await heal(...small(), "--resume", "-o", path("a"))).err).toMatch(
      /no .*a\.heal\.safetensors to go on with/,
    );
    expect(await readdir(folder)).not.toContain("a");
  });
});

describe("distill", () => {
  it("trains all weights of the student, or an adapter that is folded in", async () => {
    for (const words of [[], ["--rank", "2"]]) {
      const out = path(`student${words.length}`);
      const models = ["--teacher", model.path, "--student", model.path, "--schedule", "0 2"];
      const { code, out: said } = await distill(...models, ...words, ...small(), "-o", out, "--json");
      expect(code).toBe(0);
      expect(JSON.parse(said)).toMatchObject({
        settings: { healed: { kind: words.length > 0 ? "lora" : "all" }, teacher: { model: model.path } },
      });
      expect(await readdir(out)).toContain("model.safetensors");
    }
  });

  it("refuses one model, and a teacher with other tokens", async () => {
    expect((await distill("--teacher", "a", "-o", "x")).err).toMatch(/--student MODEL is missing/);
    const teacher = ["--teacher", fixturePath("models/gpt2"), "--student", model.path];
    const { code, err } = await distill(...teacher, ...small(), "-o", path("b"));
    expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(/has another tokenizer|Its logits mean/) });
  });
});
