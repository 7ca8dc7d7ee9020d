import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fillMask } from "../generate/fill-mask.ts";
import { load } from "../refrain.ts";
import { readTrainingConfig } from "./config.ts";
import { logOf, type TinyRun, tinyRun } from "./run.testing.ts";
import { type RunOptions, runTraining } from "./run.ts";

let tiny: TinyRun;
beforeEach(async () => {
  tiny = await tinyRun();
});
afterEach(() => tiny.remove());

const model = {
  model_type: "albert",
  embedding_size: 8,
  hidden_size: 16,
  intermediate_size: 32,
  num_hidden_layers: 4,
  num_attention_heads: 2,
};
const encoder = { model, schedule: undefined };

async function run(file: string, out: string, options: Partial<RunOptions> = {}) {
  return runTraining(await readTrainingConfig(file), { out: tiny.path(out), threads: 1, ...options });
}

describe("an encoder", () => {
  it("learns what is masked, and fills masks when it is loaded", async () => {
    const notes: string[] = [];
    const file = await tiny.file("a", { steps: 60, prompt: "The c[MASK]t sat" }, encoder);
    const result = await run(file, "out", { note: (text) => notes.push(text) });
    const losses = result.log.flatMap((entry) => ("heldOutLoss" in entry ? [entry.heldOutLoss] : []));
    expect(losses[0]).toBeCloseTo(Math.log(258), 0);
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 1);
    expect(notes.at(-1)).toMatch(/^step 60: "The c.*t sat"$/);
    const config = JSON.parse(await readFile(tiny.path("out/config.json"), "utf8"));
    expect(config).toMatchObject({ architectures: ["AlbertForMaskedLM"], num_hidden_layers: 4, num_hidden_groups: 1 });
    expect(config.refrain).toBeUndefined();

    const loaded = await load(tiny.path("out"), { threads: 1 });
    try {
      expect(loaded.schedule).toBe("0x4");
      const tokenizer = loaded.needTokenizer();
      expect(tokenizer.mask).toBe(257);
      const tokens = tokenizer.encode("The c[MASK]t sat");
      expect(tokens[5]).toBe(257);
      const session = loaded.session({ output: "all-logits" });
      const [filling] = fillMask(session, tokens, 257);
      session.dispose();
      const text = tokenizer.decode(tokens.with(5, filling!.candidates[0]!.token));
      expect(notes.at(-1)).toBe(`step 60: ${JSON.stringify(text)}`);
    } finally {
      await loaded.dispose();
    }
  });

  it.each([
    ["shared attention", "a0 f0 a0 f1 a0 f2", { num_hidden_layers: 3, num_hidden_groups: 3 }],
    ["shared feed-forward", "a0 f0 a1 f0 a2 f0", { num_hidden_layers: 3, num_hidden_groups: 3 }],
    ["groups", undefined, { num_hidden_layers: 4, num_hidden_groups: 2 }],
    ["rounds of two blocks", undefined, { num_hidden_layers: 2, inner_group_num: 2 }],
  ])("is trained and loaded with %s", async (_, schedule, keys) => {
    const file = await tiny.file("a", { steps: 4, masks: "tokens" }, { model: { ...model, ...keys }, schedule });
    const result = await run(file, "out");
    const loaded = await load(tiny.path("out"), { threads: 1 });
    try {
      expect(loaded.steps).toEqual(result.model.steps);
      const session = loaded.session({ output: "all-logits" });
      session.play([1, 2, 257]);
      expect(session.logits(2).every(Number.isFinite)).toBe(true);
      session.dispose();
    } finally {
      await loaded.dispose();
    }
  });

  it("that is interrupted and goes on has the same losses and the same model, to the bit", async () => {
    const file = await tiny.file("a", { masks: "spans" }, encoder);
    await run(file, "whole");
    const controller = new AbortController();
    const onProgress = ({ label, done }: { label: string; done: number }) => {
      if (label === "training" && done >= 5 * 32) controller.abort();
    };
    await expect(run(file, "parts", { signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: "interrupted",
    });
    await run(file, "parts", { resume: true });
    expect(await logOf(tiny.path("parts"))).toEqual(await logOf(tiny.path("whole")));
    const [parts, whole] = await Promise.all(
      ["parts", "whole"].map((out) => readFile(tiny.path(`${out}/model.safetensors`))),
    );
    expect(parts!.equals(whole!)).toBe(true);
  });

  it("is refused with a tokenizer that has no mask, and a prompt without one", async () => {
    await run(await tiny.file("decoder", { steps: 1 }), "decoder");
    const without = await tiny.file("b", {}, { ...encoder, tokenizer: "decoder" });
    await expect(run(without, "b")).rejects.toMatchObject({ code: "mask-token", kind: "input" });
    const plain = await tiny.file("c", { prompt: "The cat" }, encoder);
    await expect(run(plain, "c")).rejects.toMatchObject({
      code: "training-config",
      message: expect.stringContaining('training.prompt: "The cat" has no [MASK]'),
    });
  });
});
