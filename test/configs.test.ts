/** The training files in configs/: each can be trained, saved and played, and docs/architectures.md says what they cost. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { modelCost } from "../src/measure/cost.ts";
import { readConfig } from "../src/model/read-config.ts";
import { load } from "../src/refrain.ts";
import { formatCount } from "../src/report/format.ts";
import { printSteps } from "../src/schedule/print.ts";
import { modelOf, readTrainingConfig, trainingConfig } from "../src/train/config.ts";
import { openPlanned } from "../src/train/planned-checkpoint.ts";
import { runTraining } from "../src/train/run.ts";
import { openCheckpoint } from "../src/weights/open.ts";

const folder = fileURLToPath(new URL("../configs", import.meta.url));
const names = (await readdir(folder)).filter((name) => name.endsWith(".json")).map((name) => basename(name, ".json"));
const path = (name: string) => join(folder, `${name}.json`);

let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "refrain-configs-"));
  const line = "The cat sat on the mat, and the dog looked at the moon; nobody said a word.\n";
  await writeFile(join(out, "text.txt"), line.repeat(20));
});
afterAll(() => rm(out, { recursive: true }));

/** The model of a file, and its options, trained for two steps on a line of text. */
async function trained(name: string) {
  const file = JSON.parse(await readFile(path(name), "utf8"));
  const small = { ...file, tokenizer: { bpe: 300 }, data: { files: "text.txt" } };
  const training = { ...file.training, length: 16, sequences: 2, steps: 2 };
  return runTraining(trainingConfig({ ...small, training }, join(out, "x.json")), { out: join(out, name), threads: 1 });
}

async function lastLogits(folder: string): Promise<Float32Array> {
  const model = await load(folder, { threads: 1 });
  try {
    const session = model.session(model.config.bidirectional ? { output: "all-logits" } : {});
    session.play([1, 2, 3, 4]);
    return session.logits(model.config.bidirectional ? 3 : 0).slice();
  } finally {
    await model.dispose();
  }
}

describe.each(names)("configs/%s.json", (name) => {
  it("is trained, saved and played", async () => {
    const { loss, model } = await trained(name);
    expect(loss).toBeGreaterThan(4);
    expect(loss).toBeLessThan(7);
    const loaded = await load(join(out, name), { threads: 1 });
    expect(loaded.steps).toEqual(model.steps);
    await loaded.dispose();
    expect((await lastLogits(join(out, name))).every(Number.isFinite)).toBe(true);
  });

  it("stands in the table with what it costs", async () => {
    const checkpoint = await openPlanned(path(name));
    const config = await readConfig(checkpoint);
    const { steps } = modelOf(await readTrainingConfig(path(name)), config.vocabSize);
    const cost = modelCost(config, steps);
    const counts = [cost.uniqueParameters, cost.effectiveParameters].map(formatCount).join(" | ");
    const depth = `${cost.uniqueDepth} | ${cost.effectiveDepth}`;
    const page = await readFile(new URL("../docs/architectures.md", import.meta.url), "utf8");
    expect(page).toContain(`| \`${name}\` | \`${printSteps(steps)}\` | ${depth} | ${counts} |`);
  });
});

describe("one wide feed-forward", () => {
  it("saves the halves that are played, and unrolls", async () => {
    const name = "one-wide-ffn";
    await rm(join(out, name), { recursive: true, force: true });
    await trained(name);
    const checkpoint = await openCheckpoint(join(out, name));
    const held = [...checkpoint.tensors.keys()].filter((tensor) => /mlp|post_attention/.test(tensor));
    await checkpoint.close();
    expect(held.every((tensor) => tensor.startsWith("model.layers.0."))).toBe(true);
    expect(held).toHaveLength(4);
    const model = await load(join(out, name), { threads: 1 });
    await model.save(join(out, "unrolled"), { unrolled: true });
    await model.dispose();
    const plain = await load(join(out, "unrolled"), { threads: 1 });
    expect(plain.schedule).toBe("0-7");
    await plain.dispose();
    expect(await lastLogits(join(out, "unrolled"))).toEqual(await lastLogits(join(out, name)));
  });
});
