import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bench, bench } from "./measuring.testing.ts";
import { commandLine } from "./terminal.testing.ts";

let at: Bench;
beforeAll(async () => {
  at = await bench();
});
afterAll(() => at.remove());

const demo = (...words: string[]) => commandLine(["demo", "--model", at.model, "--heal", "0", ...words]);

describe("demo", () => {
  it("writes a report that needs nothing but itself", async () => {
    const out = at.path("report");
    const { code, out: text } = await demo("--text", at.text, "--quick", "--out", out, "--json");
    expect(code).toBe(0);
    const { variants, dropped } = JSON.parse(text);
    expect(dropped).toHaveLength(1);
    expect(variants[0]).toMatchObject({ name: "before", schedule: "0-2" });
    expect(variants[1].cost.uniqueParameters).toBeLessThan(variants[0].cost.uniqueParameters);
    for (const { perplexity } of variants) expect(perplexity.perplexity).toBeGreaterThan(1);

    expect(await readdir(out)).toEqual(expect.arrayContaining(["report.html", "heatmap.png", "influence.svg"]));
    const html = await readFile(join(out, "report.html"), "utf8");
    expect(html).not.toMatch(/(src|href)\s*=|url\((?!#)|@import|<script/i);
    for (const { schedule } of variants) expect(html).toContain(schedule);
    expect(html).not.toMatch(/NaN|undefined/);
  });

  it("prints the table and what each version says", async () => {
    const { code, out } = await demo("--quick", "--drop", "1", "--prompt", "The cat", "--out", at.path("other"));
    expect(code).toBe(0);
    expect(out).toMatch(/^By angular: drops step [012] \(1 of 3, counted from 0, both ends included\)\./);
    expect(out).toContain("before, schedule 0-2:\n  The cat");
    expect(out).toContain(join(at.path("other"), "report.html"));
  });

  it("heals the smallest version by what the whole one says, and tells how to do it again", async () => {
    const out = at.path("healed");
    const words = ["--model", at.model, "--text", at.text, "--quick", "--heal", "1", "-o", out, "--json"];
    const { code, out: text } = await commandLine(["demo", ...words]);
    expect(code).toBe(0);
    const { variants, healed } = JSON.parse(text);
    expect(variants.map(({ name }: { name: string }) => name).at(-1)).toMatch(/, healed$/);
    expect(variants.at(-1).schedule).toBe(variants.at(-2).schedule);
    expect(healed.tokens).toBeGreaterThan(0);
    const html = await readFile(join(out, "report.html"), "utf8");
    expect(html).toContain("The last version has learned for 1.0 s");
    expect(html).toMatch(/refrain heal .* --merge -o healed/);
  });

  it("says in the report how it was made", async () => {
    const out = at.path("again");
    await demo("--text", at.text, "--quick", "--drop", "1", "--prompt", "It's a cat", "--weights", "q8", "-o", out);
    const html = await readFile(join(out, "report.html"), "utf8");
    expect(html).toContain(`refrain demo --model ${at.model} --text ${at.text} --drop 1 --prompt`);
    expect(html).toMatch(/ --quick --heal 0 --weights q8\n/);
    expect(html).toContain("weights q8");
    expect(html).toContain(`<h1>Refrain: ${basename(at.model)}</h1>`);
  });

  it("begins with the schedule that it is given", async () => {
    const { code, out } = await demo("--quick", "--schedule", "(0-1)x2", "--out", at.path("scheduled"), "--json");
    expect(code).toBe(0);
    const { variants } = JSON.parse(out);
    expect(variants[0].schedule).toBe("(0-1)x2");
    expect(variants[1].cost.effectiveDepth).toBe(3);
    expect(await readFile(join(at.path("scheduled"), "report.html"), "utf8")).toMatch(
      / --schedule &#39;\(0-1\)x2&#39;\n/,
    );
  });

  it("refuses a model that is missing", async () => {
    const { code, err } = await commandLine(["demo", "--model", "nowhere.gguf", "--out", at.path("none")]);
    expect(code).toBe(2);
    expect(err).toContain("There is no file or folder nowhere.gguf");
  });

  it.each<[string, (b: Bench) => string[], string | RegExp]>([
    ["an empty text", (b) => ["--text", b.empty], "is empty"],
    ["a text in Latin 1", (b) => ["--text", b.latin1], "is not UTF-8"],
    ["a text that is too short", (b) => ["--text", b.short], /9 tokens/],
    ["to drop all steps", (b) => ["--text", b.text, "--drop", "3"], "cannot drop 3 of the 3 steps"],
  ])("refuses %s, and writes nothing", async (_, words, message) => {
    const { code, out, err } = await demo("--out", at.path("none"), ...words(at));
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^error: .*\nhelp: /m);
    expect(err).toMatch(message);
    expect(await readdir(join(at.path("none"), ".."))).not.toContain("none");
  });
});
