import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { experiments } from "../reproduce/experiments.ts";
import { type Bench, bench } from "./measuring.testing.ts";
import { commandLine } from "./terminal.testing.ts";

let at: Bench;
beforeAll(async () => {
  at = await bench();
});
afterAll(() => at.remove());

const reproduce = (...words: string[]) => commandLine(["reproduce", ...words]);

describe("reproduce", () => {
  it("lists the papers", async () => {
    const { code, out } = await reproduce();
    expect(code).toBe(0);
    for (const { name, paper } of experiments) {
      expect(out).toContain(`${name} `);
      expect(out).toContain(paper);
    }
    expect(JSON.parse((await reproduce("--json")).out).experiments).toHaveLength(experiments.length);
  });

  it("trains every arm, says what the paper says beside it, and has nothing left to do the second time", async () => {
    const out = at.path("one-wide");
    const words = ["one-wide-ffn", "--text", "data/alice.txt", "--tokens", "1024", "--seeds", "1", "-o", out];
    const first = await reproduce(...words, "--json");
    expect(first.code).toBe(0);
    const { outcomes, claims } = JSON.parse(first.out);
    expect(outcomes.map(({ arm }: { arm: string }) => arm)).toEqual(["own", "shared", "one-wide"]);
    for (const { verdict } of claims) expect(["points", "points away"]).toContain(verdict);
    expect(await readdir(out)).toEqual(
      expect.arrayContaining(["losses.png", "losses.svg", "report.json", "report.md"]),
    );
    const report = await readFile(join(out, "report.md"), "utf8");
    expect(report).toContain("arXiv 2309.01826");
    expect(report).not.toMatch(/NaN|undefined/);
    expect(JSON.parse((await reproduce(...words, "--json")).out).outcomes).toEqual(outcomes);
  }, 60_000);

  it.each<[string, string[], RegExp]>([
    ["a paper that is not there", ["takase-kyono", "--text", "x"], /Did you mean takase-kiyono\?/],
    ["no text", ["albert"], /--text FILE is missing/],
    ["a text that is not there", ["albert", "--text", "nowhere.txt"], /nowhere\.txt/],
  ])("refuses %s", async (_, words, message) => {
    const { code, out, err } = await reproduce(...words);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
  });
});
