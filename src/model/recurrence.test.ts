import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uniform } from "../engine/autodiff.testing.ts";
import { gradientName } from "../engine/autodiff.ts";
import { Graph } from "../engine/graph.ts";
import { ReferencePlayer } from "../engine/reference.ts";
import { load } from "../refrain.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { readTrainingConfig, trainingConfig } from "../train/config.ts";
import { parameterOptions } from "../train/groups.ts";
import { type TinyRun, tinyRun } from "../train/run.testing.ts";
import { runTraining } from "../train/run.ts";
import { openCheckpoint } from "../weights/open.ts";
import { parseConfig } from "./config.ts";
import { initialValues } from "./initialize.ts";
import { parametersPlayed } from "./network.ts";
import { recurrenceParameters, recurrent } from "./recurrence.ts";
import { ropeTable } from "./rope.ts";
import { trainingNetwork } from "./training-network.ts";

const keys = {
  model_type: "llama",
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 3,
  num_attention_heads: 2,
  tie_word_embeddings: true,
};
const schedule = "0 1x3 2";
const config = parseConfig({ ...keys, refrain: { schedule, recurrence: { block: 1 } } }, "config.json");
const steps = expand(parseSchedule(schedule));

/** Random values of all parameters, kept by name. */
function randomParameters(seed: number): Map<string, Float64Array> {
  const random = uniform(seed);
  return new Map(
    parametersPlayed(config, steps).map(({ name, rows, columns, part }) => [
      name,
      Float64Array.from({ length: rows * columns }, () => (part === "norm" ? 1 : 0) + 0.5 * random()),
    ]),
  );
}

describe("the way into a loop", () => {
  it("is exp(-Δ A) ∘ h + Δ ∘ (B e)", () => {
    const g = new Graph();
    const [before, entered] = [g.input("before", 8), g.input("entered", 8)];
    const enter = recurrent(g, config);
    g.output("first", enter({ block: 1, part: "block" }, before));
    g.output("second", enter({ block: 1, part: "block" }, entered));
    expect(enter({ block: 2, part: "block" }, before)).toBe(before);
    expect(enter({ block: 1, part: "ffn" }, before)).toBe(before);
    const values = randomParameters(5);
    const random = uniform(6);
    const rows = () => [0, 1].map(() => Float64Array.from({ length: 8 }, random));
    const inputs = { before: rows(), entered: rows() };
    const player = new ReferencePlayer(g, ({ name }) => values.get(name)!);
    const all = player.play({ tokens: [0, 0], inputs });
    const [norm, b, aLog, dt] = recurrenceParameters(config).map(({ name }) => values.get(name)!);
    for (const [m, x] of inputs.before.entries()) {
      const rms = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / 8 + config.normEpsilon);
      const e = x.map((v, c) => (v / rms) * norm![c]!);
      for (let c = 0; c < 8; c++) {
        const delta = Math.log(1 + Math.exp(dt![c]!));
        const told = delta * e.reduce((sum, v, k) => sum + b![c * 8 + k]! * v, 0);
        const kept = Math.exp(-delta * Math.exp(aLog![c]!));
        expect(kept).toBeLessThan(1);
        expect(player.output(all, "first")[m]![c]!).toBeCloseTo(told, 12);
        expect(player.output(all, "second")[m]![c]!).toBeCloseTo(kept * inputs.entered[m]![c]! + told, 12);
      }
    }
  });

  it("has gradients, summed over its uses, as central differences have", () => {
    const table = ropeTable(config.rope, config.headWidth, 4);
    const { graph, trained } = trainingNetwork(config, steps, { table, trained: () => true });
    const values = randomParameters(7);
    const input = { tokens: [1, 5, 3, 9], targets: [5, 3, 9, 2] };
    const play = () => {
      const player = new ReferencePlayer(graph, ({ name }) => values.get(name)!);
      const all = player.play(input);
      return (name: string) => player.output(all, name).flatMap((row) => [...row]);
    };
    const output = play();
    const own = recurrenceParameters(config);
    expect(trained).toEqual(expect.arrayContaining([...own]));
    for (const parameter of own) {
      const numbers = values.get(parameter.name)!;
      for (let i = 0; i < numbers.length; i += parameter.rows > 1 ? 7 : 1) {
        const [before, step] = [numbers[i]!, 1e-5];
        const at = (value: number) => {
          numbers[i] = value;
          return play()("loss")[0]!;
        };
        const slope = (at(before + step) - at(before - step)) / (2 * step);
        numbers[i] = before;
        expect(Math.abs(output(gradientName(parameter))[i]! - slope), `${parameter.name} ${i}`).toBeLessThan(1e-7);
      }
    }
  });

  it("begins with B the identity and half of h kept, and has no weight decay", () => {
    const [norm, b, aLog, dt] = recurrenceParameters(config).map((p) => initialValues(p, steps, { seed: 1 }));
    expect([...norm!]).toEqual(Array(8).fill(1));
    expect([...b!].map((v, i) => (i % 9 === 0 ? v - 1 : v)).every((v) => v === 0)).toBe(true);
    expect(Math.exp(-Math.log(1 + Math.exp(dt![0]!)) * Math.exp(aLog![0]!))).toBeCloseTo(0.5, 12);
    const options = parameterOptions(parametersPlayed(config, steps), 0.1, [], "t.json");
    expect(recurrenceParameters(config).map((p) => options(p).decay)).toEqual([0, 0, 0, 0]);
  });

  it.each<[string, object, string]>([
    ["another family", { model_type: "gpt2", n_embd: 8, n_layer: 1, n_head: 1 }, "it belongs to the Llama family"],
    ["a block that is no number", { refrain: { recurrence: { block: "1" } } }, "refrain.recurrence.block"],
    ["an unknown key", { refrain: { recurrence: { block: 1, T: 4 } } }, "refrain.recurrence.T"],
  ])("is refused with %s", (_, other, message) => {
    expect(() => parseConfig({ ...keys, refrain: { recurrence: { block: 0 } }, ...other }, "c.json")).toThrow(message);
  });

  it("is refused where the block is not played", () => {
    const { vocab_size: _, ...model } = keys;
    const file = { model, recurrence: { block: 3 }, data: { files: "a.txt" } };
    expect(() => trainingConfig(file, "t.json")).toThrow("recurrence.block: the attention of block 3 is never played");
  });
});

describe("a looped model that was trained", () => {
  let tiny: TinyRun;
  let out: string;
  beforeAll(async () => {
    tiny = await tinyRun();
    out = tiny.path("out");
    const model = { model_type: "llama", hidden_size: 16, intermediate_size: 32, num_hidden_layers: 4 };
    const other = {
      model: { ...model, num_attention_heads: 2, tie_word_embeddings: true },
      schedule: "3 (1-0)x3 2",
      recurrence: { block: 1 },
    };
    const [kept, recomputed] = await Promise.all(
      [false, true].map(async (recompute, i) =>
        runTraining(await readTrainingConfig(await tiny.file(`${i}`, { recompute }, other)), {
          out: i === 0 ? out : tiny.path("recomputed"),
          threads: 1,
        }),
      ),
    );
    expect(kept!.loss).toBe(recomputed!.loss);
    expect(kept!.heldOutLoss).toBeLessThan(5);
  });
  afterAll(() => tiny.remove());

  async function logits(folder: string, schedule?: string, pieces: readonly number[][] = [[1, 2, 3, 4]]) {
    const model = await load(folder, { threads: 1, schedule });
    try {
      const session = model.session();
      for (const piece of pieces) session.play(piece);
      return session.logits(0).slice();
    } finally {
      await model.dispose();
    }
  }

  it("plays token by token what it plays at once, and as many rounds as it is told to", async () => {
    const [whole, parts] = await Promise.all([logits(out), logits(out, undefined, [[1], [2], [3], [4]])]);
    for (const [i, value] of whole.entries()) expect(parts[i]!).toBeCloseTo(value, 4);
    const more = await logits(out, "3 (1-0)x5 2");
    expect(more.every(Number.isFinite)).toBe(true);
    expect(more).not.toEqual(whole);
  });

  it("has learned its own numbers", async () => {
    const checkpoint = await openCheckpoint(out);
    for (const name of ["A_log", "dt"]) {
      const tensor = checkpoint.tensors.get(`model.recurrence.${name}`)!;
      expect((await checkpoint.read(tensor, 0, tensor.byteLength)).some((byte) => byte !== 0)).toBe(true);
    }
    expect(checkpoint.config.refrain).toEqual({ schedule: "3 (1-0)x3 2", recurrence: { block: 1 } });
    await checkpoint.close();
  });

  it("is saved with its blocks numbered anew, and not unrolled", async () => {
    const model = await load(out, { threads: 1 });
    await model.save(tiny.path("again"));
    await expect(model.save(tiny.path("no"), { unrolled: true })).rejects.toMatchObject({ code: "step-dependent" });
    await expect(model.withSchedule("3 2").save(tiny.path("no"))).rejects.toMatchObject({ code: "step-dependent" });
    await model.dispose();
    const again = await openCheckpoint(tiny.path("again"));
    expect(again.config.refrain).toEqual({ schedule: "0 (1-2)x3 3", recurrence: { block: 1 } });
    await again.close();
    expect(await logits(tiny.path("again"))).toEqual(await logits(out));
  });
});
