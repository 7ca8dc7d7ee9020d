import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { load } from "../refrain.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { readTrainingConfig, trainingConfig } from "../train/config.ts";
import { type TinyRun, tinyRun } from "../train/run.testing.ts";
import { runTraining } from "../train/run.ts";
import { openCheckpoint } from "../weights/open.ts";
import { parseConfig } from "./config.ts";
import { initialValues } from "./initialize.ts";
import { relaxedParameters } from "./network.ts";

const keys = {
  model_type: "llama",
  vocab_size: 9,
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 3,
  num_attention_heads: 2,
};
const relaxedNames = (schedule: string, relaxed: object) =>
  relaxedParameters(
    parseConfig({ ...keys, refrain: { schedule, relaxed } }, "config.json"),
    expand(parseSchedule(schedule)),
  ).map(({ name }) => name);

describe("a relaxed model", () => {
  it("has pairs for each step of a block that is played twice, and none for others", () => {
    const names = relaxedNames("0 (1-2)x2", { rank: 2, modules: "attention" });
    expect(names).toHaveLength(4 * 4 * 2); // steps 1 to 4; q, k, v and o; A and B
    expect(names[0]).toBe("model.layers.1.self_attn.q_proj.step_1.lora_A.relaxed.weight");
    expect(names.some((name) => name.includes("layers.0."))).toBe(false);
    // Of a shared feed-forward, the halves that share.
    const halves = relaxedNames("a0 f0 a1 f0", { rank: 2 });
    expect(halves.every((name) => name.includes("layers.0.mlp"))).toBe(true);
  });

  it.each<[string, object, string]>([
    ["a rank of 0", { rank: 0 }, "refrain.relaxed.rank"],
    ["no rank", {}, "refrain.relaxed.rank"],
    ["an unknown key", { rank: 2, rnak: 3 }, "refrain.relaxed.rnak"],
    ["unknown modules", { rank: 2, modules: "head" }, "refrain.relaxed.modules"],
  ])("is refused with %s", (_, relaxed, message) => {
    expect(() => relaxedNames("0x2", relaxed)).toThrow(message);
  });

  it("needs a schedule that shares", () => {
    const { vocab_size: _, ...model } = keys;
    const file = { model, relaxed: { rank: 2 }, data: { files: "a.txt" } };
    expect(() => trainingConfig(file, "t.json")).toThrow("t.json: relaxed: no block is played twice");
  });

  it("begins as the tied one: each B is zero", () => {
    const schedule = "0x3 1-2";
    const config = parseConfig({ ...keys, refrain: { schedule, relaxed: { rank: 2 } } }, "config.json");
    const steps = expand(parseSchedule(schedule));
    for (const parameter of relaxedParameters(config, steps)) {
      const values = initialValues(parameter, steps, { seed: 1 });
      expect(values.some((value) => value !== 0)).toBe(parameter.name.includes("lora_A"));
    }
  });
});

describe("a relaxed model that was trained", () => {
  let tiny: TinyRun;
  let out: string;
  let loss: number;
  beforeAll(async () => {
    tiny = await tinyRun();
    out = tiny.path("out");
    const file = await tiny.file("a", {}, { schedule: "(1 0)x2", relaxed: { rank: 3, alpha: 6, modules: "all" } });
    loss = (await runTraining(await readTrainingConfig(file), { out, threads: 1 })).heldOutLoss!;
  });
  afterAll(() => tiny.remove());

  async function logits(folder: string): Promise<Float32Array> {
    const model = await load(folder, { threads: 1 });
    try {
      const session = model.session();
      session.play([1, 2, 3, 4]);
      return session.logits(0).slice();
    } finally {
      await model.dispose();
    }
  }

  it("is one folder, whose steps have come to differ", async () => {
    expect(loss).toBeLessThan(5);
    const checkpoint = await openCheckpoint(out);
    expect(checkpoint.config.refrain).toEqual({
      schedule: "(1 0)x2",
      relaxed: { rank: 3, alpha: 6, modules: "all" },
    });
    const values = async (step: number) => {
      const tensor = checkpoint.tensors.get(`model.layers.1.mlp.up_proj.step_${step}.lora_B.relaxed.weight`)!;
      return [...(await checkpoint.read(tensor, 0, tensor.byteLength))];
    };
    expect(await values(0)).not.toEqual(await values(2));
    await checkpoint.close();
  });

  it("is saved again, its blocks numbered anew, and plays the same", async () => {
    const folder = await mkdtemp(join(tmpdir(), "refrain-relaxed-"));
    const model = await load(out, { threads: 1 });
    await model.save(join(folder, "again"));
    await model.dispose();
    const again = await load(join(folder, "again"), { threads: 1 });
    expect(again.schedule).toBe("(0-1)x2");
    await again.dispose();
    expect(await logits(join(folder, "again"))).toEqual(await logits(out));
    await rm(folder, { recursive: true });
  });

  it("unrelaxed has a block for each step and gives the same logits, also unrolled and read again", async () => {
    const folder = await mkdtemp(join(tmpdir(), "refrain-relaxed-"));
    const model = await load(out, { threads: 1 });
    const plain = await model.unrelaxed();
    await plain.save(join(folder, "plain"), { unrolled: true });
    expect(plain.config.relaxed).toBeUndefined();
    expect(new Set(plain.steps.map(({ block }) => block)).size).toBe(4);
    await Promise.all([plain.dispose(), model.dispose()]);
    const expected = await logits(out);
    const actual = await logits(join(folder, "plain"));
    const largest = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
    expect(largest).toBeGreaterThan(0);
    expect(largest).toBeLessThan(1e-5);
    await rm(folder, { recursive: true });
  });

  it("is healed like any other: an adapter is merged and layers are trained, its own pairs stay", async () => {
    const folder = await mkdtemp(join(tmpdir(), "refrain-relaxed-"));
    const model = await load(out, { threads: 1 });
    const text = "the quick brown fox ".repeat(400);
    for (const healed of [
      { kind: "lora", rank: 2, modules: "all" },
      { kind: "layers", count: 1 },
    ] as const) {
      const result = await model.heal(text, { healed, budget: { tokens: 64 }, sequences: 2, length: 8 });
      const written = join(folder, healed.kind);
      const merged = healed.kind === "lora" ? await result.model.merged() : result.model;
      await merged.save(written);
      await Promise.all([...new Set([merged, result.model])].map((one) => one.dispose()));
      const again = await load(written, { threads: 1 });
      expect(again.config.relaxed).toEqual(model.config.relaxed);
      await again.dispose();
      expect(await logits(written)).not.toEqual(await logits(out));
    }
    await model.dispose();
    await rm(folder, { recursive: true });
  });

  it("plays no other schedule, and nothing is made of its blocks", async () => {
    await expect(load(out, { threads: 1, schedule: "0-1" })).rejects.toMatchObject({ code: "relaxed-schedule" });
    const model = await load(out, { threads: 1, schedule: "1 0 1 0" });
    try {
      expect(() => model.withSchedule("0x4")).toThrow("relaxed");
      expect(() => model.stepwise(8)).toThrow("differ by step");
      await expect(model.save(tiny.path("unrolled"), { unrolled: true })).rejects.toMatchObject({
        code: "step-dependent",
      });
      await expect(
        model.edited((c) => ({ ...c, config: { ...c.config }, edited: new Set() }), model.schedule),
      ).rejects.toMatchObject({ code: "step-dependent" });
    } finally {
      await model.dispose();
    }
  });
});
