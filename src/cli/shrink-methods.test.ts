/** Every method from the command to the folder: what it writes is opened, played and the same when it is written again. */
import { readdirSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { load } from "../refrain.ts";
import { methods } from "../shrink/methods.ts";
import { type Bench, bench } from "./measuring.testing.ts";
import { commandLine } from "./terminal.testing.ts";

let at: Bench;
beforeAll(async () => {
  at = await bench();
  await mkdir(at.path("fit"));
});
afterAll(() => at.remove());

const shrink = (...words: string[]) => commandLine(["shrink", at.model, "--threads", "1", ...words]);
const text = () => ["--text", at.text, "--window", "32", "--windows", "8"];

const ways: readonly (readonly [method: string, words: readonly string[]])[] = [
  ["angular", ["--drop", "1"]],
  ["influence", ["--params", "0.9", "--recompute"]],
  ["perplexity", ["--drop", "1"]],
  ["deepest", ["--drop", "1"]],
  ["collapse", ["--drop", "1", "--merge", "formula"]],
  ["collapse", ["--drop", "1"]],
  ["tie", ["--to", "each(0-0)x2 1"]],
  ["tie", ["--to", "each(0-0)x2 1", "--init", "average"]],
  ["collapse", ["--drop", "1", "--unrolled"]],
  ["grow", ["--times", "2"]],
  ["taylor", ["--drop", "1", "--importance", "weights"]],
  ["taylor", ["--params", "0.9", "--what", "width"]],
  ["taylor", ["--params", "0.8", "--what", "width", "--kv-heads", "1"]],
  ["surgeon", ["--params", "0.9"]],
  ["replace", ["--drop", "1", "--updates", "3"]],
  ["replace", ["--drop", "1", "--updates", "3", "--unrolled"]],
  ["vocabulary", ["--params", "0.99"]],
  ["auto", ["--params", "0.8"]],
];

it("covers every method", () => {
  expect([...new Set(ways.map(([name]) => name))].sort()).toEqual(methods.map(({ name }) => name).sort());
});

describe.each(ways.map(([by, words]) => [by, words.join(" "), words] as const))(
  "shrink --by %s %s",
  (by, given, words) => {
    it("writes a model that plays, and the same bytes from the same words", async () => {
      const method = methods.find(({ name }) => name === by)!;
      const folders = ["once", "twice"].map((name) => at.path(`${by}-${given.replaceAll(/\W+/g, "-")}-${name}`));
      const all = ["--by", by, ...words, ...(method.calibration ? text() : []), "-o"];
      for (const folder of folders) {
        const { code, err } = await shrink(...all, folder);
        expect(code, err).toBe(0);
      }
      const [once, twice] = folders as [string, string];
      const names = await readdir(once);
      expect(await readdir(twice)).toEqual(names);
      for (const name of names) {
        const [a, b] = await Promise.all([readFile(join(once, name)), readFile(join(twice, name))]);
        expect(a.equals(b), name).toBe(true);
      }
      const record = JSON.parse(await readFile(join(once, "shrink.json"), "utf8"));
      expect(record.method).toMatchObject({ name: by, paper: method.paper });
      expect(Object.keys(record.method.options)).toEqual(
        expect.arrayContaining(words.filter((w) => w.startsWith("--to")).map((w) => w.slice(2))),
      );
      const model = await load(once, { threads: 1 });
      const logits = await model.session().feed([1, 2, 3]);
      expect(logits.every(Number.isFinite)).toBe(true);
      await model.dispose();
    });
  },
);

it.each<[string, readonly string[], string | RegExp]>([
  ["taylor's width without a share", ["--by", "taylor", "--what", "width", "--drop", "1"], "goes with --params"],
  [
    "a width below what there is",
    ["--by", "taylor", "--what", "width", "--params", "0.1"],
    "what narrower blocks can reach",
  ],
  [
    "more heads than there are",
    ["--by", "taylor", "--what", "width", "--params", "0.9", "--kv-heads", "9"],
    "cannot keep 9 of 2",
  ],
  ["taylor's layers below one", ["--by", "taylor", "--drop", "3"], "cannot drop 3 of the 3 steps"],
  ["a width below what surgeon can reach", ["--by", "surgeon", "--params", "0.1"], "what narrower blocks can reach"],
  ["all of the parameters", ["--by", "surgeon", "--params", "1"], "no hidden channel has to go"],
  ["to replace all layers by none", ["--by", "replace", "--drop", "3"], "cannot drop 3 of the 3 steps"],
  ["to merge all layers into none", ["--by", "collapse", "--drop", "3"], "cannot drop 3 of the 3 steps"],
  [
    "a similarity that nothing has",
    ["--by", "collapse", "--drop", "2", "--threshold", "1"],
    /only \d of 2 layers can be merged/,
  ],
])("refuses %s", async (_, words, message) => {
  const out = at.path("no");
  const { code, err } = await shrink(...words, ...text(), "-o", out);
  expect(code).toBe(2);
  expect(err).toMatch(message);
  expect(err).toMatch(/\nhelp: /);
});

describe("shrink within a budget", () => {
  it("takes a size, writes the search as pictures and data, and goes on after Ctrl-C with the same bytes", async () => {
    const out = at.path("fit/whole");
    const words = ["--fit", "60kB", ...text(), "-o"];
    const { code, out: said, err } = await shrink(...words, out);
    expect(code, err).toBe(0);
    expect(said).toMatch(/within the budget. The best is .* with weights in q[48]/);
    const search = JSON.parse(await readFile(join(out, "front.json"), "utf8"));
    expect(search).toMatchObject({ budget: { kind: "fit", bytes: 60_000 }, text: "cat.txt" });
    const chosen = search.tried[search.chosen];
    expect(chosen.bytes).toBeLessThanOrEqual(60_000);
    const record = JSON.parse(await readFile(join(out, "shrink.json"), "utf8"));
    expect(record).toMatchObject({ after: chosen.schedule, method: { name: "auto", keepWeights: chosen.weights } });
    expect(record.method.scores).toEqual(search.tried);
    expect(await readFile(join(out, "front.svg"), "utf8")).toMatch(/^<svg /);
    expect((await readFile(join(out, "front.png"))).subarray(1, 4).toString()).toBe("PNG");

    const stopped = at.path("fit/stopped");
    const journals = () => readdirSync(dirname(stopped)).filter((name) => name.startsWith("stopped.search-"));
    const interrupted = await commandLine(["shrink", at.model, "--threads", "1", ...words, stopped], {
      onStart: (terminal) => {
        const look = () => {
          if (journals().length === 1) terminal.emit("SIGINT");
          else setImmediate(look);
        };
        look();
      },
    });
    expect(interrupted.code).toBe(130);
    expect(interrupted.err).toMatch(/Interrupted. What the search knows is kept in/);
    expect(await shrink(...words, stopped)).toMatchObject({ code: 0 });
    expect(journals()).toEqual([]);
    for (const name of await readdir(out)) {
      const [a, b] = await Promise.all([readFile(join(out, name)), readFile(join(stopped, name))]);
      expect(a.equals(b), name).toBe(true);
    }
  });

  it("keeps to one by other weights where no schedule can, and heals them", async () => {
    const [one, out] = [at.path("fit/one"), at.path("fit/narrow")];
    expect(await shrink("--schedule", "1", "-o", one)).toMatchObject({ code: 0 });
    const words = ["shrink", one, "--by", "auto", "--params", "0.8", "--threads", "1", ...text()];
    const { code, out: said, err } = await commandLine([...words, "--heal", "512", "-o", out]);
    expect(code, err).toBe(0);
    expect(said).toMatch(/The best is surgeon \(\d+\)[\s\S]*Not tried: replace, because[\s\S]*Healed in \d+ steps/);
    expect(JSON.parse(await readFile(join(out, "shrink.json"), "utf8"))).toMatchObject({
      method: { options: { edits: "all" }, edit: { method: "surgeon", kept: [{ block: 0 }] } },
      healed: { settings: { budget: { tokens: 512 } } },
    });
    const config = JSON.parse(await readFile(join(out, "config.json"), "utf8"));
    expect(config.intermediate_size).toBeLessThan(88);
    const refused = await commandLine([...words, "--edits", "none", "-o", at.path("no")]);
    expect(refused).toMatchObject({ code: 2, err: expect.stringContaining("nothing that this search can make") });
  });

  it.each<[string, readonly string[], string | RegExp]>([
    ["edits that are none", ["--fit", "60kB", "--edits", "some"], /--edits: .*"some"/],
    ["edits for another method", ["--drop", "1", "--edits", "none"], "--edits does not go with --by angular"],
    ["a size that nothing fits", ["--fit", "1kB"], /nothing .* fits 1.0 kB: the least is [\d.]+ kB, "\d" in q4/],
    ["a size that is none", ["--fit", "80"], 'got "80", expected a size like 80MB'],
    ["a size of nothing", ["--fit", "0MB"], "expected a size like 80MB"],
    ["a speed that is none", ["--speed", "fast"], "expected a ratio like 1.5x"],
    [
      "a size for a method that takes steps",
      ["--fit", "60kB", "--by", "angular"],
      "--fit does not go with --by angular",
    ],
    ["steps for a method that takes a budget", ["--drop", "1", "--by", "auto"], "--drop does not go with --by auto"],
    ["two budgets", ["--fit", "60kB", "--speed", "2x"], "got --fit and --speed"],
  ])("refuses %s", async (_, words, message) => {
    const { code, err } = await shrink(...words, ...text(), "-o", at.path("no"));
    expect(code).toBe(2);
    expect(err).toMatch(message);
    expect(err).toMatch(/\nhelp: /);
  });
});

it("writes an encoder and plays it, too", async () => {
  const words = ["shrink", fixturePath("models/albert"), "--threads", "1", "--by", "deepest", "--drop", "1"];
  const { code, err } = await commandLine([...words, "-o", at.path("encoder")]);
  expect(code, err).toBe(0);
});
