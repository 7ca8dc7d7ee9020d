import { existsSync, readdirSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dataPath } from "../../test/data.ts";
import { fixturePath } from "../../test/fixtures.ts";
import { load } from "../refrain.ts";
import { type Bench, bench } from "./measuring.testing.ts";
import { commandLine } from "./terminal.testing.ts";

let at: Bench;
beforeAll(async () => {
  at = await bench();
});
afterAll(() => at.remove());

const shrink = (...words: string[]) => commandLine(["shrink", "--threads", "1", ...words]);
const measured = () => ["--text", at.text, "--window", "64", "--windows", "4"];
const json = async (path: string) => JSON.parse(await readFile(path, "utf8"));

describe("shrink", () => {
  it("drops what matters least, and the folder it writes is a model", async () => {
    const out = at.path("dropped");
    const { code, out: said } = await shrink(at.model, "--drop", "1", ...measured(), "-o", out);
    expect(code).toBe(0);
    const record = await json(join(out, "shrink.json"));
    expect(record).toMatchObject({ before: "0-2", unrolled: false, method: { name: "angular" } });
    expect(record.dropped).toHaveLength(1);
    expect(record.method.scores).toHaveLength(3);
    expect(record.method.text).toMatchObject({ name: "cat.txt", tokens: 256, windows: 4 });
    expect(said).toContain(`"${record.after}"`);
    expect(await json(join(out, "config.json"))).toMatchObject({ num_hidden_layers: 2 });
    const played = await commandLine(["run", out, "Hello", "-n", "3", "--temperature", "0"]);
    expect(played.code).toBe(0);
  });

  it("heals what it writes, with a method's choice or a schedule that is given", async () => {
    for (const words of [
      ["--drop", "1"],
      ["--schedule", "0 2"],
    ]) {
      const out = at.path(`healed-${words[1]}`);
      const healing = ["--heal", "1024", "--text", at.text];
      const { code, out: said, err } = await shrink(at.model, ...words, ...healing, "-o", out);
      expect(code, err).toBe(0);
      expect(said).toMatch(/Healed in 2 steps: perplexity on held-out text [\d.,]+ before, [\d.,]+ after\./);
      expect(await json(join(out, "shrink.json"))).toMatchObject({
        healed: { runSteps: 2, settings: { healed: { kind: "lora", rank: 8 }, budget: { tokens: 1024 } } },
      });
      const plain = await load(at.model, { threads: 1, schedule: (await json(join(out, "shrink.json"))).after });
      const healed = await load(out, { threads: 1 });
      const [a, b] = [plain, healed].map((model) => model.session({ output: "last-logits" }));
      expect(await b!.feed([3, 1, 4])).not.toEqual(await a!.feed([3, 1, 4]));
      for (const model of [plain, healed]) await model.dispose();
    }
    const { code, err } = await shrink(at.model, "--schedule", "0 2", "--heal", "10", "-o", at.path("x"));
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("--text FILE is missing") });
  });

  it("writes the same bytes from the same inputs", async () => {
    const words = [at.model, "--drop", "1", "--by", "influence", ...measured(), "-o"];
    const folders = [at.path("once"), at.path("twice")];
    for (const folder of folders) expect(await shrink(...words, folder)).toMatchObject({ code: 0 });
    const [names, again] = await Promise.all(folders.map((folder) => readdir(folder)));
    expect(again).toEqual(names);
    for (const name of names!) {
      const [a, b] = await Promise.all(folders.map((folder) => readFile(join(folder, name))));
      expect(a!.equals(b!), name).toBe(true);
    }
  });

  it("writes the schedule that it is given, and counts what the model had before", async () => {
    const out = at.path("scheduled");
    const { code, out: text, err } = await shrink(at.model, "--schedule", "0x2 2", "-o", out, "--json");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const document = JSON.parse(text);
    expect(document).toMatchObject({ after: "0x2 2", dropped: [] });
    expect(document.parameters.written).toBeLessThan(document.parameters.source);
    expect(document.before).toBe("0-2");
    expect(document.verification.difference).toBe(0);
    expect(await json(join(out, "config.json"))).toMatchObject({
      num_hidden_layers: 2,
      refrain: { schedule: "0x2 1" },
    });
  });

  it("writes out every played block with --unrolled", async () => {
    const out = at.path("unrolled");
    const { code, out: text } = await shrink(
      at.model,
      "--schedule",
      "each(0-1)x2 2",
      "--unrolled",
      "-o",
      out,
      "--json",
    );
    expect(code).toBe(0);
    const { parameters } = JSON.parse(text);
    expect(parameters.written).toBeGreaterThan(parameters.source);
    const config = await json(join(out, "config.json"));
    expect(config.num_hidden_layers).toBe(5);
    expect(config).not.toHaveProperty("refrain");
  });

  it.each(["models/gpt2", "models/qwen3"])("does so for %s, which has no tokenizer", async (source) => {
    const out = at.path(source.replaceAll("/", "-"));
    expect(await shrink(fixturePath(source), "--schedule", "1 0x2", "-o", out)).toMatchObject({ code: 0 });
    expect(await readdir(out)).not.toContain("tokenizer.json");
  });

  it("leaves no half behind that its schedule does not play, and says so to a schedule that does", async () => {
    const out = at.path("half");
    expect(await shrink(at.model, "--schedule", "0 f1 2", "-o", out)).toMatchObject({ code: 0 });
    expect(await commandLine(["run", out, "Hello", "-n", "1", "--schedule", "0 2 f1"])).toMatchObject({ code: 0 });
    const { code, err } = await commandLine(["run", out, "Hello", "-n", "1", "--schedule", "0-2"]);
    expect(code).toBe(2);
    expect(err).toMatch(
      /the attention of block 1 is not in .*half: it was dropped[\s\S]*\nhelp: What is left plays "0 f1 2"/,
    );
  });

  it("replaces a model that Refrain wrote, when told to", async () => {
    const out = at.path("again");
    const words = [at.model, "-o", out, "--schedule"];
    expect(await shrink(...words, "0-1")).toMatchObject({ code: 0 });
    const { code, err } = await shrink(...words, "1-2");
    expect(code).toBe(2);
    expect(err).toMatch(/again is not empty[\s\S]*\nhelp: /);
    expect(await shrink(...words, "1-2", "--overwrite")).toMatchObject({ code: 0 });
    expect(await json(join(out, "shrink.json"))).toMatchObject({ after: "1-2" });
  });

  it("leaves nothing behind when Ctrl-C comes while it saves", async () => {
    const out = at.path("interrupted/model");
    await mkdir(dirname(out));
    let begun = false;
    const { code, err } = await commandLine(["shrink", "--threads", "1", at.model, "--schedule", "0-1", "-o", out], {
      onStart: (terminal) => {
        const look = () => {
          begun = readdirSync(dirname(out)).length > 0;
          if (begun) terminal.emit("SIGINT");
          else setImmediate(look);
        };
        look();
      },
    });
    expect({ begun, code }).toEqual({ begun: true, code: 130 });
    expect(err).toMatch(/^error: Interrupted/m);
    expect(await readdir(dirname(out))).toEqual([]);
  });

  it("goes on with a search that Ctrl-C stopped, and writes what it would have written", async () => {
    const words = [at.model, "--drop", "2", "--by", "perplexity", "--halves", ...measured(), "-o"];
    const [whole, out] = [at.path("search/whole"), at.path("search/stopped")];
    expect(await shrink(...words, whole)).toMatchObject({ code: 0 });
    const journals = () => readdirSync(dirname(out)).filter((name) => name.startsWith("stopped.search-"));
    const { code, err } = await commandLine(["shrink", "--threads", "1", ...words, out], {
      onStart: (terminal) => {
        const look = () => {
          if (journals().length === 1) terminal.emit("SIGINT");
          else setImmediate(look);
        };
        look();
      },
    });
    expect(code).toBe(130);
    expect(err).toMatch(
      /error: Interrupted. What the search knows is kept in .*stopped.search-\w+.json\nhelp: Run the same/,
    );
    expect(readdirSync(dirname(out))).toEqual([...journals(), "whole"]);
    expect(await shrink(...words, out)).toMatchObject({ code: 0 });
    expect(readdirSync(dirname(out))).toEqual(["stopped", "whole"]);
    for (const name of await readdir(whole)) {
      const [a, b] = await Promise.all([whole, out].map((folder) => readFile(join(folder, name))));
      expect(a!.equals(b!), name).toBe(true);
    }
    expect(await json(join(out, "shrink.json"))).toMatchObject({ halves: true, method: { options: { halves: true } } });
  });

  it("goes on with a healing that Ctrl-C stopped, and writes what it would have written", async () => {
    // Each in a folder that is not there yet.
    const [whole, out] = [at.path("heal/whole/model"), at.path("heal/stopped/model")];
    const words = (folder: string, tokens: string) => {
      const healing = ["--heal", tokens, "--text", at.text];
      return ["shrink", "--threads", "1", at.model, "--drop", "1", ...healing, "-o", folder];
    };
    const tokens = String(24 * 512);
    expect(await commandLine(words(whole, tokens))).toMatchObject({ code: 0 });
    const kept = () => (existsSync(dirname(out)) ? readdirSync(dirname(out)) : []);
    const { code, err } = await commandLine(words(out, tokens), {
      onStart: (terminal) => {
        const look = () => {
          if (kept().some((name) => /^model\.heal-\w{8}\.safetensors$/.test(name))) terminal.emit("SIGINT");
          else setImmediate(look);
        };
        look();
      },
    });
    expect(code).toBe(130);
    expect(err).toMatch(/error: Interrupted after step \d+ of 24, which is saved\nhelp: Run the same command again/);
    const state = kept();
    expect(state).toHaveLength(2);
    // Another healing leaves it alone.
    const other = at.path("heal/stopped/other");
    expect(await commandLine(words(other, "512"))).toMatchObject({ code: 0 });
    expect(kept()).toEqual([...state, "other"]);
    const again = await commandLine(words(out, tokens));
    expect(again).toMatchObject({ code: 0, err: expect.stringMatching(/going on after step \d+ of 24/) });
    expect(kept()).toEqual(["model", "other"]);
    for (const name of await readdir(whole)) {
      const [a, b] = await Promise.all([whole, out].map((folder) => readFile(join(folder, name))));
      expect(a!.equals(b!), name).toBe(true);
    }
  });

  it.each<[string, (b: Bench) => string[], string | RegExp]>([
    ["no OUT", (b) => [b.model, "--schedule", "0-1"], "-o OUT is missing"],
    ["neither --drop nor --schedule", (b) => [b.model, "-o", b.path("no")], "got none"],
    [
      "both",
      (b) => [b.model, "-o", b.path("no"), "--drop", "1", "--schedule", "0-1", "--text", b.text],
      "got --drop and --schedule",
    ],
    ["two amounts", (b) => [b.model, "-o", b.path("no"), "--drop", "1", "--params", "0.5"], "got --drop and --params"],
    [
      "a share that embeddings alone exceed",
      (b) => [b.model, "-o", b.path("no"), "--params", "0.01", "--text", b.text],
      "cannot keep 0.01",
    ],
    ["a share of more than all", (b) => [b.model, "-o", b.path("no"), "--params", "1.5", "--text", b.text], "--params"],
    [
      "a text for a method that reads none",
      (b) => [b.model, "-o", b.path("no"), "--drop", "1", "--by", "deepest", "--text", b.text],
      "deepest needs no text",
    ],
    [
      "an option of another method",
      (b) => [b.model, "-o", b.path("no"), "--drop", "1", "--recompute", "--text", b.text],
      "--recompute does not go with --by angular",
    ],
    [
      "--schedule with a text",
      (b) => [b.model, "-o", b.path("no"), "--schedule", "0-1", "--text", b.text],
      "--text goes with methods that read one",
    ],
    [
      "OUT where the model is",
      (b) => [b.model, "-o", b.model, "--schedule", "0-1", "--overwrite"],
      "is where the model comes from",
    ],
    ["--drop without a text", (b) => [b.model, "-o", b.path("no"), "--drop", "1"], "--text FILE is missing"],
    ["--drop on an empty text", (b) => [b.model, "-o", b.path("no"), "--drop", "1", "--text", b.empty], "is empty"],
    [
      "--drop on a text shorter than a window",
      (b) => [b.model, "-o", b.path("no"), "--drop", "1", "--text", b.short, "--window", "64"],
      /9 tokens.* 64/,
    ],
    [
      "to drop all steps",
      (b) => [b.model, "-o", b.path("no"), "--drop", "3", "--text", b.text, "--window", "64"],
      "cannot drop 3 of the 3 steps",
    ],
    [
      "--drop without a tokenizer",
      (b) => [fixturePath("models/gpt2"), "-o", b.path("no"), "--drop", "1", "--text", b.text],
      "has no tokenizer",
    ],
    ["a method that is none", (b) => [b.model, "-o", b.path("no"), "--drop", "1", "--by", "luck"], /--by: .*"luck"/],
    [
      "a schedule with an unknown block",
      (b) => [b.model, "-o", b.path("no"), "--schedule", "0-1 7"],
      "the model has no block 7, it has 3\n  0-1 7\n      ^",
    ],
    [
      "halves that make no block with --unrolled",
      (b) => [b.model, "-o", b.path("no"), "--schedule", "0 a1", "--unrolled"],
      "cannot be written as a block",
    ],
  ])("refuses %s and writes nothing", async (_, words, message) => {
    const { code, out, err } = await shrink(...words(at));
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^error: [\s\S]*\nhelp: /m);
    expect(err).toMatch(message);
    expect(await readdir(dirname(at.path("no")))).not.toContain("no");
  });

  it("refuses to replace a folder that it did not write", async () => {
    const out = at.path("mine");
    await mkdir(out);
    await writeFile(join(out, "letter.txt"), "");
    const { code, err } = await shrink(at.model, "--schedule", "0-1", "-o", out, "--overwrite");
    expect(code).toBe(2);
    expect(err).toContain("mine is not empty: it has letter.txt");
  });
});

const stories = dataPath("models/stories260K/stories260K.bin");
const tales = dataPath("text/tinystories_train_first2MiB.txt");
describe.skipIf(!stories || !tales)("shrink stories260K (needs the shared test data)", () => {
  it("plays from the folder as it does in memory, and keeps its tokenizer", async () => {
    const out = at.path("stories");
    const words = [stories!, "--drop", "1", "--text", tales!, "--windows", "4", "-o", out, "--json"];
    const { code, out: text } = await shrink(...words);
    expect(code).toBe(0);
    const { after } = JSON.parse(text);
    const [memory, written] = await Promise.all([load(stories!, { schedule: after }), load(out)]);
    const say = async (model: typeof memory) => {
      let text = "";
      for await (const piece of model.generate("Once upon a time", { maxTokens: 40, temperature: 0 })) text += piece;
      return text;
    };
    expect(await say(written)).toBe(await say(memory));
    await Promise.all([memory.dispose(), written.dispose()]);
  });
});
