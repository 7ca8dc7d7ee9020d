/** `shrink` by the methods that make new blocks, from the command line to the folder that was written. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { storedRows } from "../weights/computed-tensor.ts";
import { openCheckpoint } from "../weights/open.ts";
import { type Bench, bench } from "./measuring.testing.ts";
import { commandLine } from "./terminal.testing.ts";

let at: Bench;
beforeAll(async () => {
  at = await bench();
});
afterAll(() => at.remove());

const shrink = (...words: string[]) => commandLine(["shrink", at.model, ...words]);
const json = async (path: string) => JSON.parse(await readFile(path, "utf8"));
const measured = () => ["--text", at.text, "--window", "64", "--windows", "2"];

/** A matrix of a model as it stands in its file. */
async function matrix(folder: string, name: string): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(folder);
  const tensor = checkpoint.tensors.get(name)!;
  const values = await storedRows(checkpoint, tensor, 0, tensor.shape.length > 1 ? tensor.shape[0]! : 1);
  await checkpoint.close();
  return values;
}

describe.each<[string, () => string[]]>([
  ["collapse", () => ["--drop", "1", ...measured()]],
  ["collapse", () => ["--drop", "1", "--merge", "formula", ...measured()]],
  ["tie", () => ["--to", "0x2 1", "--init", "average"]],
  ["tie", () => ["--to", "a0 f0 a1 f0 a2 f1"]],
  ["tie", () => ["--to", "0x2 1", "--init", "average", "--rank", "2"]],
  ["tie", () => ["--to", "a0 f0 a1 f0 a2 f1", "--rank", "2"]],
  ["grow", () => ["--times", "3"]],
])("shrink --by %s", (by, rest) => {
  it("writes a model that is known to play, and the same bytes again", async () => {
    const folders = ["once", "twice"].map((name) => at.path(`${by}-${name}-${rest().join("")}`.replaceAll("/", "")));
    for (const folder of folders) {
      const { code, out, err } = await shrink("--by", by, ...rest(), "-o", folder, "--json");
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(JSON.parse(out).verification.difference).toBe(0);
    }
    const [names, again] = await Promise.all(folders.map((folder) => readdir(folder)));
    expect(again).toEqual(names);
    for (const name of names!) {
      const [a, b] = await Promise.all(folders.map((folder) => readFile(join(folder, name))));
      expect(a!.equals(b!), name).toBe(true);
    }
    expect((await json(join(folders[0]!, "shrink.json"))).method.name).toBe(by);
  });
});

describe("shrink --by collapse", () => {
  it("leaves one block of a group, with the norms of its first", async () => {
    const out = at.path("merged");
    const { code, out: said } = await shrink(
      "--by",
      "collapse",
      "--drop",
      "2",
      "--spare",
      "0",
      ...measured(),
      "-o",
      out,
    );
    expect(code).toBe(0);
    expect(said).toContain("0–2. The last hidden state has a cosine of");
    const { method, after } = await json(join(out, "shrink.json"));
    expect(after).toBe("3");
    expect(method.merged).toEqual([[0, 1, 2]]);
    expect(method.blocks["3"]).toEqual({ attention: "2; norms 0", ffn: "2; norms 0" });
    expect(method.scores.at(-1)).toMatchObject({ accepted: true, similarity: method.similarity });
    expect(await json(join(out, "config.json"))).toMatchObject({ num_hidden_layers: 1 });
    const rest = ["mlp.up_proj.weight", "self_attn.q_proj.weight", "input_layernorm.weight"];
    for (const name of rest) {
      const from = name.includes("norm") ? 0 : 2;
      const source = await matrix(at.model, `model.layers.${from}.${name}`);
      expect(await matrix(out, `model.layers.0.${name}`)).toEqual(source);
    }
  });

  it("says how far it gets where the threshold forbids more", async () => {
    const { code, err } = await shrink(
      "--by",
      "collapse",
      "--drop",
      "2",
      "--threshold",
      "0.9999",
      ...measured(),
      "-o",
      at.path("no"),
    );
    expect(code).toBe(2);
    expect(err).toMatch(
      /only \d of 2 layers can be merged with a similarity above 0.9999[\s\S]*help: Give a lower --threshold/,
    );
  });

  it("refuses a range without layers to merge", async () => {
    const { code, err } = await shrink(
      "--by",
      "collapse",
      "--drop",
      "1",
      "--spare",
      "2",
      ...measured(),
      "-o",
      at.path("no"),
    );
    expect(code).toBe(2);
    expect(err).toContain("within layers 0 to 0 of 3");
  });
});

describe("shrink --by tie", () => {
  it("writes the mean of what a block stands for, and the schedule", async () => {
    const out = at.path("tied");
    expect(await shrink("--by", "tie", "--to", "0x2 1", "--init", "average", "-o", out)).toMatchObject({ code: 0 });
    expect(await json(join(out, "config.json"))).toMatchObject({
      num_hidden_layers: 2,
      refrain: { schedule: "0x2 1" },
    });
    const name = "mlp.down_proj.weight";
    const [a, b] = await Promise.all([0, 1].map((block) => matrix(at.model, `model.layers.${block}.${name}`)));
    const mean = await matrix(out, `model.layers.0.${name}`);
    for (const [i, value] of mean.entries()) {
      const exact = (a![i]! + b![i]!) / 2;
      expect(Math.abs(value - exact)).toBeLessThanOrEqual(Math.max(2 ** -25, Math.abs(exact) * 2 ** -11));
    }
    expect(await matrix(out, `model.layers.1.${name}`)).toEqual(await matrix(at.model, `model.layers.2.${name}`));
  });

  it("lets plays of a block differ, at the full rank by all that their layers did", async () => {
    const out = at.path("relaxed");
    const words = ["--to", "0x2 1", "--init", "average", "--rank", "64"];
    expect(await shrink("--by", "tie", ...words, "-o", out)).toMatchObject({ code: 0 });
    expect((await json(join(out, "config.json"))).refrain).toEqual({
      schedule: "0x2 1",
      relaxed: { rank: 64, alpha: 64, modules: "all" },
    });
    for (const module of ["self_attn.q_proj", "mlp.down_proj"]) {
      const shared = await matrix(out, `model.layers.0.${module}.weight`);
      for (const step of [0, 1]) {
        const layer = await matrix(at.model, `model.layers.${step}.${module}.weight`);
        const at64 = `model.layers.0.${module}.step_${step}.lora_`;
        const a = await matrix(out, `${at64}A.relaxed.weight`);
        const b = await matrix(out, `${at64}B.relaxed.weight`);
        const columns = a.length / 64;
        for (const [i, value] of layer.entries()) {
          const [row, column] = [Math.floor(i / columns), i % columns];
          let sum = shared[i]!;
          for (let r = 0; r < 64; r++) sum += b[row * 64 + r]! * a[r * columns + column]!;
          expect(Math.abs(sum - value)).toBeLessThan(1e-5);
        }
      }
    }
    expect(await commandLine(["run", out, "A", "-n", "2", "--threads", "1"])).toMatchObject({ code: 0 });
  });

  it.each([
    [[], "tie needs a schedule to arrive at"],
    [["--to", "0x2"], '"0x2" plays 2 layers, the model plays 3 layers ("0-2")'],
    [["--to", "0x2 ("], "schedule"],
    [["--to", "0x3", "--drop", "1"], "--drop does not go with --by tie"],
  ])("refuses %j", async (words, message) => {
    const { code, err } = await shrink("--by", "tie", ...words, "-o", at.path("no"));
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).toContain("help: ");
  });
});

it("shrink --by grow plays every block again", async () => {
  const out = at.path("grown");
  expect(await shrink("--by", "grow", "-o", out)).toMatchObject({ code: 0 });
  expect(await json(join(out, "config.json"))).toMatchObject({
    num_hidden_layers: 3,
    refrain: { schedule: "each(0-2)x2" },
  });
});
