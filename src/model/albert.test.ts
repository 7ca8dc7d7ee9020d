import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath, readReference } from "../../test/fixtures.ts";
import { fillMask } from "../generate/fill-mask.ts";
import { modelCost } from "../measure/cost.ts";
import { observe } from "../measure/observe.ts";
import { modelPerplexity } from "../measure/profile.ts";
import { load, type Model } from "../refrain.ts";
import { albertSteps } from "./albert.ts";
import { parseConfig } from "./config.ts";

const names = ["albert", "albert-groups", "albert-inner"];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-albert-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const open = (name: string, schedule?: string): Promise<Model> =>
  load(name.includes("/") ? name : fixturePath(`models/${name}`), { weights: "f32", threads: 2, schedule });

const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

/** Logits at every position [tokens · vocabulary], and hidden states. */
function read(model: Model, ids: readonly number[]): { logits: Float32Array; hidden: Float32Array[] } {
  const session = model.session({ output: "all-logits", hidden: true });
  session.play(ids);
  const logits = new Float32Array(ids.length * session.vocabSize);
  for (const row of ids.keys()) logits.set(session.logits(row), row * session.vocabSize);
  const hidden = session.allHidden(ids.length);
  session.dispose();
  return { logits, hidden };
}

async function readOnce(name: string, ids: readonly number[], schedule?: string): Promise<Float32Array> {
  const model = await open(name, schedule);
  try {
    return read(model, ids).logits;
  } finally {
    await model.dispose();
  }
}

describe("logits and hidden states against transformers", () => {
  for (const name of names) {
    it(name, async () => {
      const model = await open(name);
      for (const sequence of readReference(name).sequences) {
        const { logits, hidden } = read(model, sequence.ids);
        expect(worst(logits, sequence.logits.values)).toBeLessThan(1e-3);
        const [boundaries, rows, width] = sequence.hidden.shape as [number, number, number];
        expect(hidden.length).toBe(boundaries);
        for (const [step, ours] of hidden.entries()) {
          const expected = sequence.hidden.values.subarray(step * rows * width, (step + 1) * rows * width);
          expect(worst(ours, expected), `hidden ${step}`).toBeLessThan(1e-3);
        }
      }
      await model.dispose();
    });
  }
});

describe("the schedule of a checkpoint", () => {
  it("is what transformers plays", async () => {
    const schedules = await Promise.all(
      names.map(async (name) => {
        const config = JSON.parse(await readFile(fixturePath(`models/${name}/config.json`), "utf8"));
        return parseConfig(config, name).schedule;
      }),
    );
    expect(schedules).toEqual(["0x3", "0x3 1x2", "(0-1)x3"]);
    expect(albertSteps(12, 1, 1).every(({ block }) => block === 0)).toBe(true);
  });

  it("of as many groups as layers is each block once", () => {
    const shape = { vocab_size: 8, hidden_size: 8, num_attention_heads: 2, intermediate_size: 8, num_hidden_layers: 3 };
    const config = { model_type: "albert", ...shape, num_hidden_groups: 3 };
    expect(parseConfig(config, "").schedule).toBeUndefined();
    expect(parseConfig(config, "").blocks).toBe(3);
  });

  it("is refused where it is too long, and so are positions of another kind", () => {
    const shape = { vocab_size: 8, hidden_size: 8, num_attention_heads: 2, intermediate_size: 8 };
    const config = { model_type: "albert", ...shape, num_hidden_layers: 4096, inner_group_num: 2 };
    expect(() => parseConfig(config, "x")).toThrow(/at most 4096 steps/);
    const relative = { ...config, num_hidden_layers: 1, position_embedding_type: "relative_key" };
    expect(() => parseConfig(relative, "x")).toThrow(/position_embedding_type/);
    expect(() => parseConfig({ ...config, num_hidden_layers: 1, hidden_act: "mish" }, "x")).toThrow(/hidden_act/);
  });
});

describe("saved", () => {
  const ids = [5, 9, 33, 2, 71, 40, 8, 8, 19, 3];

  for (const [name, schedule, keys] of [
    ["albert", undefined, { num_hidden_layers: 3, num_hidden_groups: 1, inner_group_num: 1 }],
    ["albert-groups", undefined, { num_hidden_layers: 5, num_hidden_groups: 2, inner_group_num: 1 }],
    ["albert-inner", undefined, { num_hidden_layers: 3, num_hidden_groups: 1, inner_group_num: 2 }],
    ["albert-groups", "1x2 0x2", { num_hidden_layers: 4, num_hidden_groups: 2, inner_group_num: 1 }],
    ["albert-inner", "1", { num_hidden_layers: 1, num_hidden_groups: 1, inner_group_num: 1 }],
  ] as const) {
    it(`${name} ${schedule ?? "as it is"}: in transformers' own words`, async () => {
      const model = await open(name, schedule);
      const path = join(folder, `${name} ${schedule}`);
      await model.save(path);
      const expected = read(model, ids).logits;
      await model.dispose();
      const config = JSON.parse(await readFile(join(path, "config.json"), "utf8"));
      expect(config).toMatchObject(keys);
      expect(config.refrain).toBeUndefined();
      expect(await readOnce(path, ids)).toEqual(expected);
    });
  }

  for (const schedule of ["a0 f0 a0 f1 a0 f1", "a0 f0 a1 f0", "0 1 0"]) {
    it(`"${schedule}": as a schedule, and unrolled in transformers' words`, async () => {
      const model = await open("albert-groups", schedule);
      const [shared, unrolled] = [join(folder, `shared ${schedule}`), join(folder, `unrolled ${schedule}`)];
      await model.save(shared);
      await model.save(unrolled, { unrolled: true });
      const expected = read(model, ids).logits;
      await model.dispose();
      expect(JSON.parse(await readFile(join(shared, "config.json"), "utf8")).refrain).toBeDefined();
      expect(JSON.parse(await readFile(join(unrolled, "config.json"), "utf8")).refrain).toBeUndefined();
      expect(await readOnce(shared, ids)).toEqual(expected);
      expect(await readOnce(unrolled, ids)).toEqual(expected);
    });
  }
});

describe("an encoder", () => {
  it("sees what comes after: another last token changes the first logits", async () => {
    const model = await open("albert");
    const vocab = model.config.vocabSize;
    const first = (last: number) => read(model, [5, 9, 33, last]).logits.slice(0, vocab);
    expect(worst(first(2), first(7))).toBeGreaterThan(0.01);
    await model.dispose();
  });

  it("reads sequences of any length up to its context, beyond a tile of attention too, as one thread does", async () => {
    const ids = Array.from({ length: 64 }, (_, i) => (i * 31) % 131);
    const one = await load(fixturePath("models/albert-groups"), { weights: "f32", threads: 1 });
    const two = await open("albert-groups");
    for (const length of [1, 2, 63, 64]) {
      expect(read(one, ids.slice(0, length))).toEqual(read(two, ids.slice(0, length)));
    }
    await one.dispose();
    await two.dispose();
  });

  it("keeps keys and values in 8 bits where it is asked to", async () => {
    const model = await open("albert-groups");
    const { ids } = readReference("albert-groups").sequences[0]!;
    const expected = read(model, ids).logits;
    const session = model.session({ output: "all-logits", cache: "q8" });
    session.play(ids);
    const difference = Math.max(...ids.map((_, row) => worst(session.logits(row), expected.subarray(row * 131))));
    expect(difference).toBeGreaterThan(0);
    expect(difference / (Math.max(...expected) - Math.min(...expected))).toBeLessThan(0.02);
    session.dispose();
    await model.dispose();
  });

  it("does not continue text, and says so", async () => {
    const model = await open("albert");
    const session = model.session();
    await expect(session.feed([1, 2])).rejects.toMatchObject({ code: "encoder" });
    session.play([1, 2]);
    expect(() => session.play([3])).toThrow(/whole/);
    session.dispose();
    await expect(modelPerplexity(model, [1, 2, 3, 4])).rejects.toMatchObject({ code: "encoder" });
    await model.dispose();
  });

  it("fills masks with the likeliest tokens", async () => {
    const model = await open("albert");
    const [sequence] = readReference("albert").sequences;
    const { ids, logits } = sequence!;
    const session = model.session({ output: "all-logits" });
    const [filling, ...others] = fillMask(session, ids, ids[4]!, 3);
    expect(others.every(({ position }) => ids[position] === ids[4])).toBe(true);
    expect(filling!.position).toBe(ids.indexOf(ids[4]!));
    const vocab = logits.shape[1]!;
    const row = logits.values.slice(filling!.position * vocab, (filling!.position + 1) * vocab);
    const order = [...row.keys()].sort((a, b) => row[b]! - row[a]!).slice(0, 3);
    expect(filling!.candidates.map(({ token }) => token)).toEqual(order);
    const sum = row.reduce((total, logit) => total + Math.exp(logit), 0);
    expect(filling!.candidates[0]!.probability).toBeCloseTo(Math.exp(row[order[0]!]!) / sum, 5);
    session.dispose();
    await model.dispose();
  });

  it("can be measured", async () => {
    const model = await open("albert-groups");
    const session = model.session({ hidden: true });
    const tokens = Array.from({ length: 40 }, (_, i) => (i * 7) % 131);
    const found = await observe(session, tokens, model.steps.length, model.config.hiddenSize, {
      window: 20,
      windows: 2,
    });
    expect(found.influence.length).toBe(5);
    session.dispose();
    await model.dispose();
  });

  it("costs what its tensors say: factorized embeddings, one cache", async () => {
    const model = await open("albert");
    const cost = modelCost(model.config, model.steps);
    const of = (part: string) => cost.parts.find((p) => p.part === part)?.unique;
    expect(of("embedding")).toBe(131 * 24);
    expect(of("projection")).toBe(24 * 40 + 40);
    expect(cost.kvSlots).toBe(1);
    await model.dispose();
  });
});
