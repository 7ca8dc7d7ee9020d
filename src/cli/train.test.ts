import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TinyRun, tinyRun } from "../train/run.testing.ts";
import { commandLine } from "./terminal.testing.ts";

let tiny: TinyRun;
beforeAll(async () => {
  tiny = await tinyRun();
});
afterAll(() => tiny.remove());

const train = (...words: string[]) => commandLine(["train", ...words, "--threads", "1"]);

describe("train", () => {
  it("prints the plan before and the result after, and writes model, log, curve and report", async () => {
    const file = await tiny.file("plain", { prompt: "The <cat>" });
    const { code, out, err } = await train(file);
    expect(code).toBe(0);
    expect(err).toMatch(/^weights .*\n[\s\S]*in all .* MB\n/);
    expect(err).toMatch(/step 12: "The <cat>/);
    expect(out).toMatch(/plain: [\d,]+ parameters, 12 steps, loss \d\.\d+, \d\.\d+ on held-out text \(perplexity \d+/);
    expect(out).toContain(`Next: refrain run ${tiny.path("plain")} "Once upon a time"`);
    expect(await readdir(tiny.path("plain"))).toEqual(
      expect.arrayContaining([
        "config.json",
        "curve.png",
        "curve.svg",
        "model.safetensors",
        "report.html",
        "train.jsonl",
      ]),
    );
    const report = await readFile(tiny.path("plain/report.html"), "utf8");
    for (const part of [
      "What did the model learn?",
      "each(0-1)x2",
      "after 12 steps",
      "The &lt;cat&gt;",
      "refrain train",
    ]) {
      expect(report).toContain(part);
    }
    const { code: run } = await commandLine(["run", tiny.path("plain"), "The cat", "-n", "4", "--threads", "1"]);
    expect(run).toBe(0);
  });

  it("gives one document with --json", async () => {
    const { code, out, err } = await train(await tiny.file("json"), "-o", tiny.path("a/b"), "--json");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(JSON.parse(out)).toMatchObject({
      out: tiny.path("a/b"),
      runSteps: 12,
      steps: 12,
      tokens: 384,
      schedule: "0x2 1x2",
      parameters: expect.any(Number),
      memory: { weights: expect.any(Number), total: expect.any(Number) },
    });
  });

  it.each<[string, () => Promise<string[]>, RegExp]>([
    ["no file", async () => [], /CONFIG is missing/],
    ["a file that is missing", async () => [tiny.path("nowhere.json")], /There is no file/],
    [
      "an unknown key",
      async () => [await tiny.file("typo", { stpes: 3 })],
      /training\.stpes: unknown key\nhelp: Did you mean "steps"/,
    ],
    ["nothing to go on with", async () => [await tiny.file("new"), "--resume"], /holds no run to go on with/],
  ])("refuses %s", async (_, words, message) => {
    const { code, out, err } = await train(...(await words()));
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
  });
});
