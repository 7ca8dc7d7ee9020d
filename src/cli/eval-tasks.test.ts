import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { commandLine } from "./terminal.testing.ts";
import { tinyModel } from "./tiny-model.testing.ts";

let folder: string;
let model: string;
let remove: () => Promise<void>;
let data: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-eval-tasks-"));
  ({ path: model, remove } = await tinyModel());
  // One kind of file of each task.
  data = join(folder, "data");
  await cp(fixturePath("tasks"), data, { recursive: true, filter: (path) => !path.endsWith(".parquet") });
  vi.stubEnv("XDG_CACHE_HOME", join(folder, "cache"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await remove();
  await rm(folder, { recursive: true });
});

const evaluate = (...words: string[]) => commandLine(["eval", model, ...words]);
const json = async (...words: string[]) => {
  const { code, out, err } = await evaluate(...words, "--json");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out);
};

describe("eval --tasks", () => {
  it("has a line for each task, their mean, and the subjects of MMLU", async () => {
    const { code, out } = await evaluate("--tasks", "all", "--data", data);
    expect(code).toBe(0);
    expect(out).toMatch(/^task +items +acc +acc_norm +chance +perplexity$/m);
    expect(out).toMatch(/^ARC-Easy +3 +[\d.]+ ± [\d.]+ % +[\d.]+ ± [\d.]+ % +27\.8 %$/m);
    expect(out).toMatch(/^LAMBADA +3 .* ± .*$/m);
    expect(out).toMatch(/mean of 10 tasks/);
    expect(out).toMatch(/^elementary mathematics +2 +/m);
    expect(out).toMatch(/^scored +26 items in .*lm-evaluation-harness|cut +MMLU: 3 items are longer/m);
  });

  it("gives one document with --json; every item is scored once, whatever the limit was before", async () => {
    const words = ["--tasks", "piqa,hellaswag", "--data", data];
    const first = await json(...words, "--limit", "2");
    expect(first.tasks.map((task: { task: string }) => task.task)).toEqual(["piqa", "hellaswag"]);
    expect(first.tasks[0]).toMatchObject({
      title: "PIQA",
      items: 2,
      limit: 2,
      fromCache: 0,
      chance: 0.5,
      truncated: 0,
    });
    expect(first.tasks[0].data).toMatchObject({ name: "piqa.jsonl", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    const second = await json(...words);
    expect(second.tasks[0]).toMatchObject({ items: 3, fromCache: 2 });
    const third = await json(...words);
    expect(third.tasks[1]).toMatchObject({ items: 3, fromCache: 3 });
    expect(third.tasks[1].metrics).toEqual(second.tasks[1].metrics);
    expect(third.mean.value).toBeCloseTo((third.tasks[0].score.value + third.tasks[1].score.value) / 2, 12);
  });

  it("the limit is of each subject of MMLU", async () => {
    const { tasks } = await json("--tasks", "mmlu", "--data", data, "--limit", "1");
    expect(tasks[0].groups.map(({ name, items }: { name: string; items: number }) => [name, items])).toEqual([
      ["elementary_mathematics", 1],
      ["astronomy", 1],
    ]);
  });

  it("interrupted, it keeps what it has scored, and goes on there", async () => {
    const whole = await json("--tasks", "arc_easy", "--data", data);
    const [scores] = await readdir(join(folder, "cache", "refrain"));
    const path = join(folder, "cache", "refrain", scores!);
    const lines = (await readFile(path, "utf8")).split("\n");
    expect(lines).toHaveLength(4);
    // A process that was killed within its second line.
    await writeFile(path, `${lines[0]}\n${lines[1]!.slice(0, 20)}`);
    const resumed = await json("--tasks", "arc_easy", "--data", data);
    expect(resumed.tasks[0].fromCache).toBe(1);
    expect(resumed.tasks[0].metrics).toEqual(whole.tasks[0].metrics);

    await rm(path);
    const { code, err } = await commandLine(["eval", model, "--tasks", "arc_easy", "--data", data], {
      onStart: (terminal) => setTimeout(() => terminal.emit("SIGINT"), 0),
    });
    expect({ code, err }).toEqual({ code: 130, err: expect.stringContaining("Interrupted") });
    expect((await json("--tasks", "arc_easy", "--data", data)).tasks[0].metrics).toEqual(whole.tasks[0].metrics);
  });

  it.each<[string, () => string[], RegExp]>([
    ["a task that there is not", () => ["--tasks", "piqq"], /no task is called "piqq"\nhelp: Did you mean piqa\?/],
    ["no task", () => ["--tasks", ""], /no task is called ""/],
    ["data without a task", () => ["--data", data], /--data goes with --tasks/],
    ["a limit without a task", () => ["--limit", "3"], /--limit goes with --tasks/],
    ["a text beside tasks", () => ["--tasks", "piqa", "--text", "x"], /one of --tasks and --text, got both/],
    ["a teacher without generation", () => ["--teacher", "x", "--text", "y"], /--teacher goes with --generation/],
    ["a folder that there is not", () => ["--tasks", "piqa", "--data", "nowhere"], /There is no folder nowhere/],
    [
      "data for a task that was not asked for",
      () => ["--tasks", "piqa", "--data", "boolq=x"],
      /--data boolq=x: no such task/,
    ],
    ["a limit of 0", () => ["--tasks", "piqa", "--limit", "0"], /--limit: got "0"/],
  ])("refuses %s", async (_, words, message) => {
    const { code, out, err } = await evaluate(...words());
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
  });

  it("names the line and the field of a bad file before the model is loaded, also beyond the limit", async () => {
    await writeFile(
      join(data, "piqa.jsonl"),
      '{"goal": "a", "sol1": "b", "sol2": "c", "label": 0}\n{"goal": "a", "sol1": "b"}\n',
    );
    const words = ["--tasks", "piqa", "--data", data, "--limit", "1"];
    const { code, err } = await commandLine(["eval", "no-such-model", ...words]);
    expect(code).toBe(2);
    expect(err).toContain('piqa.jsonl, line 2: field "sol2": expected a text that is not blank, got nothing');
    expect(err).toContain("help: The row has the fields goal, sol1.");
  });

  it("a model without a tokenizer cannot read them", async () => {
    const { code, err } = await commandLine(["eval", fixturePath("models/gpt2"), "--tasks", "piqa", "--data", data]);
    expect(code).toBe(2);
    expect(err).toContain("has no tokenizer");
  });
});

describe("compare --tasks", () => {
  it("has the shares of each model side by side, and writes the picture and the figures", async () => {
    const out = join(folder, "out");
    const words = [model, "--schedule", "0 2", "--tasks", "piqa,lambada_openai", "--data", data, "--out", out];
    const compared = await commandLine(["compare", ...words]);
    expect(compared.code).toBe(0);
    expect(compared.out).toMatch(/^PIQA, acc_norm +[\d.]+ ± [\d.]+ % +[\d.]+ ± [\d.]+ % +[−+]?[\d.]+ ± [\d.]+$/m);
    expect(compared.out).toMatch(/^mean of 2 tasks +/m);
    expect(compared.out).toMatch(/^LAMBADA, perplexity +/m);
    expect((await readdir(out)).sort()).toEqual(["comparison.json", "tasks.png", "tasks.svg"]);
    const { models } = JSON.parse(await readFile(join(out, "comparison.json"), "utf8"));
    expect(models.map(({ tasks }: { tasks: { right: string }[] }) => tasks.map(({ right }) => right.length))).toEqual([
      [3, 3],
      [3, 3],
    ]);
    expect(models.map(({ againstFirst }: { againstFirst?: unknown }) => againstFirst)).toEqual([
      undefined,
      { tasks: [expect.anything(), expect.anything()], mean: expect.objectContaining({ value: expect.any(Number) }) },
    ]);
    expect(await readFile(join(out, "tasks.svg"), "utf8")).toContain("B: ");
  });
});

describe("eval --generation", () => {
  const text = "The cat sat on the mat, and the dog looked at the moon. ".repeat(20);

  it("judges what the model writes beside the text itself, and says what a teacher thinks of it", async () => {
    const file = join(folder, "cat.txt");
    await writeFile(file, text);
    const words = ["--generation", "--text", file, "--prompts", "3", "--max-tokens", "24"];
    const { code, out } = await evaluate(...words, "--teacher", model);
    expect(code).toBe(0);
    expect(out).toMatch(/^continued by +rep-4 +distinct-1 .* teacher's perplexity$/m);
    expect(out).toMatch(/^the model +[\d.]+ ± /m);
    expect(out).toMatch(/^the text itself +0\.0 ± 0\.0 %/m);
    const document = await json(...words, "--temperature", "1", "--seed", "3");
    expect(document).toMatchObject({ prompts: 3, newTokens: 24, temperature: 1, seed: 3, teacher: null });
    expect(document.continuations).toHaveLength(3);
    expect(await json(...words, "--temperature", "1", "--seed", "3")).toEqual(document);
  });

  it("refuses a text too short for one prompt", async () => {
    const file = join(folder, "short.txt");
    await writeFile(file, "Too short.");
    const { code, err } = await evaluate("--generation", "--text", file);
    expect(code).toBe(2);
    expect(err).toContain("less than a prompt of 32 and 64 more");
  });
});
