import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bench, bench } from "./measuring.testing.ts";
import { commandLine } from "./terminal.testing.ts";

let at: Bench;
beforeAll(async () => {
  at = await bench();
});
afterAll(() => at.remove());

const measure = (...words: string[]) => commandLine(["measure", ...words]);
const usual = () => [at.model, "--text", at.text, "--window", "64", "--windows", "4"];

describe("measure", () => {
  it("prints a row for every step, and what it was measured on", async () => {
    const { code, out } = await measure(...usual());
    expect(code).toBe(0);
    for (const step of [0, 1, 2]) expect(out).toMatch(new RegExp(`^ *${step} +${step} +\\d\\.\\d{4}`, "m"));
    expect(out).toContain("256 tokens in 4 windows");
  });

  it("gives every figure with --json, and the same ones each time", async () => {
    const { code, out, err } = await measure(...usual(), "--json", "--drop", "1", "--by", "influence");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const document = JSON.parse(out);
    expect(document).toMatchObject({ schedule: "0-2", steps: 3, tokens: 256, windows: 4 });
    expect(document.text).toMatchObject({ name: "cat.txt", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(document.angular.map((row: number[]) => row.length)).toEqual([3, 2, 1]);
    const least = document.influence.indexOf(Math.min(...document.influence));
    expect(document.choice.dropped).toEqual([least]);
    const rest = ["0-1", "0 2", "1-2"][2 - least];
    expect(document.choice.schedule).toBe(rest);
    const again = await measure(...usual(), "--json", "--drop", "1", "--by", "influence");
    expect(JSON.parse(again.out).angular).toEqual(document.angular);
  });

  it("writes the pictures and the figures, replaces its own, and leaves the rest", async () => {
    const out = at.path("measured");
    expect(await measure(...usual(), "--drop", "1", "--out", out)).toMatchObject({ code: 0 });
    const names = ["heatmap.png", "heatmap.svg", "influence.png", "influence.svg", "similarity.json"];
    expect((await readdir(out)).sort()).toEqual(names);
    for (const name of names.filter((name) => name.endsWith(".png"))) {
      const bytes = await readFile(join(out, name));
      expect([...bytes.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    }
    expect(await readFile(join(out, "heatmap.svg"), "utf8")).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(JSON.parse(await readFile(join(out, "similarity.json"), "utf8")).influence).toHaveLength(3);

    await writeFile(join(out, "mine.txt"), "");
    expect(await measure(...usual(), "--out", out)).toMatchObject({ code: 0 });
    expect((await readdir(out)).sort()).toEqual([...names, "mine.txt"].sort());
    expect(await measure(...usual(), "--out", at.text)).toMatchObject({
      code: 2,
      err: expect.stringContaining("cat.txt is a file, expected a folder\nhelp: "),
    });
  });

  it("measures the schedule that it is given", async () => {
    const { out } = await measure(...usual(), "--schedule", "(0-1)x2", "--json");
    expect(JSON.parse(out)).toMatchObject({ schedule: "(0-1)x2", steps: 4 });
  });

  it.each<[string, (b: Bench) => string[], string | RegExp]>([
    ["no text", (b) => [b.model], "--text FILE is missing"],
    ["an empty text", (b) => [b.model, "--text", b.empty], /empty\.txt is empty\nhelp: /],
    ["a text in Latin 1", (b) => [b.model, "--text", b.latin1], /latin1\.txt is not UTF-8: .*\b3\b/],
    ["a text that is missing", (b) => [b.model, "--text", b.path("none.txt")], /none\.txt/],
    ["a text shorter than a window", (b) => [b.model, "--text", b.short, "--window", "64"], /9 tokens.* 64/],
    ["a method that is none", (b) => [b.model, "--text", b.text, "--by", "luck"], /--by: .*"luck"[\s\S]*angular/],
    [
      "to drop all steps",
      (b) => [b.model, "--text", b.text, "--window", "64", "--drop", "3"],
      "cannot drop 3 of the 3 steps",
    ],
    ["a window beyond the context", (b) => [b.model, "--text", b.text, "--window", "200"], /200[\s\S]*128/],
    [
      "an unknown block",
      (b) => [b.model, "--text", b.text, "--schedule", "0-3"],
      "the model has no block 3, it has 3\n  0-3\n    ^",
    ],
  ])("refuses %s", async (_, words, message) => {
    const { code, out, err } = await measure(...words(at));
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^error: [\s\S]*\nhelp: /);
    expect(err).toMatch(message);
  });
});
