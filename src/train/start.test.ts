import { rm } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readTrainingConfig } from "./config.ts";
import { type TinyRun, tinyLlama, tinyRun } from "./run.testing.ts";
import { runTraining } from "./run.ts";

let tiny: TinyRun;
beforeEach(async () => {
  tiny = await tinyRun();
});
afterEach(() => tiny.remove());

/** Trains NAME.json into the folder NAME; `other` are keys of the file, undefined where one is to be left out. */
async function run(name: string, training: object = {}, other: object = {}) {
  const file = await tiny.file(name, training, other);
  return runTraining(await readTrainingConfig(file), { out: tiny.path(name), threads: 1 });
}

describe("a run that starts with a model", () => {
  it("begins where the other ended, with its tokenizer", async () => {
    const heldOut = ({ log }: Awaited<ReturnType<typeof run>>) =>
      log.flatMap((entry) => ("heldOutLoss" in entry ? [entry.heldOutLoss] : []));
    const first = heldOut(await run("first", {}, { tokenizer: { bpe: 300 } }));
    const on = heldOut(await run("on", {}, { tokenizer: undefined, start: "first" }));
    // A run is judged before its first step, too.
    expect(on[0]).toBe(first.at(-1));
    expect(on.at(-1)).toBeLessThan(on[0]!);
  });

  it.each<[string, object, string, string]>([
    ["of another shape", { model: { ...tinyLlama, intermediate_size: 48 } }, "tensor-shape", "expected shape [16, 48]"],
    [
      "of fewer blocks",
      { model: { ...tinyLlama, num_hidden_layers: 3 }, schedule: "0-2" },
      "tensor-missing",
      "layers.2",
    ],
    ["with other positions", { model: { ...tinyLlama, rope_theta: 500_000 } }, "start-config", "rope_theta"],
    ["with another tokenizer", { tokenizer: { bpe: 300 } }, "tokenizer-mismatch", "first, which the run starts with"],
    ["that is not there", { start: "nowhere" }, "model-missing", "nowhere"],
  ])("refuses a model %s", async (_, other, code, message) => {
    await run("first", { steps: 1 });
    await expect(run("next", {}, { start: "first", ...other })).rejects.toMatchObject({
      ...{ kind: "input", code, message: expect.stringContaining(message) },
    });
    // What was refused is not in the way of a file that was mended.
    await run("next", { steps: 1 }, { start: "first" });
  });

  it("refuses a model without a tokenizer, where the file names none", async () => {
    await run("first", { steps: 1 });
    await rm(tiny.path("first/tokenizer.json"));
    await expect(run("bad", {}, { start: "first", tokenizer: undefined })).rejects.toMatchObject({
      ...{ kind: "input", code: "tokenizer-missing", message: expect.stringContaining("first brings no tokenizer") },
    });
  });
});
