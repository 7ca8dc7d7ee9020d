import { appendFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { load } from "../refrain.ts";
import { whileFull } from "../weights/full-disk.testing.ts";
import { readTrainingConfig } from "./config.ts";
import { logOf, type TinyRun, tinyRun } from "./run.testing.ts";
import { type RunOptions, runTraining } from "./run.ts";

let tiny: TinyRun;
beforeEach(async () => {
  tiny = await tinyRun();
});
afterEach(() => tiny.remove());

async function run(file: string, out: string, options: Partial<RunOptions> = {}) {
  return runTraining(await readTrainingConfig(file), { out: tiny.path(out), threads: 1, ...options });
}

/** Runs until step `step` is logged, then interrupts. */
async function interrupted(file: string, out: string, step: number, options: Partial<RunOptions> = {}) {
  const controller = new AbortController();
  const onProgress = ({ label, done }: { label: string; done: number }) => {
    if (label === "training" && done >= step * 32) controller.abort();
  };
  await expect(run(file, out, { signal: controller.signal, onProgress, ...options })).rejects.toMatchObject({
    code: "interrupted",
    message: `Interrupted after step ${step} of 12, which is saved`,
  });
}

describe("a run", () => {
  it("ends in a model that is played, with the log and nothing that is only for the run", async () => {
    const notes: string[] = [];
    const result = await run(await tiny.file("a"), "out", { note: (text) => notes.push(text) });
    expect((await readdir(tiny.path("out"))).sort()).toEqual([
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
      "train.json",
      "train.jsonl",
    ]);
    expect(notes[0]).toMatch(/^weights .*\n[\s\S]*in all/);
    const losses = result.log.flatMap((entry) => ("loss" in entry ? [entry.loss] : []));
    expect(losses).toHaveLength(12);
    expect(losses[0]).toBeCloseTo(Math.log(257), 1);
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.5);
    const config = JSON.parse(await readFile(tiny.path("out/config.json"), "utf8"));
    expect(config).toMatchObject({ vocab_size: 257, refrain: { schedule: "each(0-1)x2" }, eos_token_id: 0 });

    const model = await load(tiny.path("out"), { threads: 1 });
    try {
      expect(model.schedule).toBe("0x2 1x2");
      const pieces: string[] = [];
      for await (const piece of model.generate("The cat", { maxTokens: 8, temperature: 0 })) pieces.push(piece);
      expect(pieces.join("").length).toBeGreaterThan(0);
    } finally {
      await model.dispose();
    }
  });

  it("trains GPT-2 and byte pairs, whose file holds matrices turned over", async () => {
    const model = { model_type: "gpt2", n_embd: 16, n_layer: 2, n_head: 2 };
    const file = await tiny.file("gpt2", { accumulation: 2, recompute: true }, { model, tokenizer: { bpe: 300 } });
    const result = await run(file, "out");
    const played = await load(tiny.path("out"), { threads: 1 });
    try {
      // The loss of the loaded model on what was held out is the one that the learner had.
      const heldOut = await heldOutLoss(played, result.corpus.heldOut);
      expect(heldOut).toBeCloseTo(result.heldOutLoss!, 4);
    } finally {
      await played.dispose();
    }
  });

  /** On the windows of 16 tokens that the end of the text makes. */
  async function heldOutLoss(model: Awaited<ReturnType<typeof load>>, tokens: number): Promise<number> {
    const text = await readFile(tiny.path("cat.txt"), "utf8");
    const held = [...model.needTokenizer().encode(text), 0].slice(-tokens);
    let [sum, count] = [0, 0];
    for (let at = 0; at + 17 <= held.length; at += 16) {
      const session = model.session({ output: "loss" });
      session.play(held.slice(at, at + 16), { tail: 0, targets: held.slice(at + 1, at + 17) });
      for (const loss of session.losses(16)) {
        sum += loss;
        count++;
      }
      session.dispose();
    }
    return sum / count;
  }

  it.each(["adamw", "muon"])(
    "that is interrupted and goes on has the same losses and the same model, to the bit, %s",
    async (optimizer) => {
      const file = await tiny.file("a", { optimizer });
      await run(file, "whole");
      await interrupted(file, "parts", 5);
      await interrupted(file, "parts", 9, { resume: true });
      await run(file, "parts", { resume: true });
      expect(await logOf(tiny.path("parts"))).toEqual(await logOf(tiny.path("whole")));
      const [parts, whole] = await Promise.all(
        ["parts", "whole"].map((out) => readFile(tiny.path(`${out}/model.safetensors`))),
      );
      expect(parts!.equals(whole!)).toBe(true);
    },
  );

  it("is the same with the same seed, and another with another", async () => {
    await run(await tiny.file("a"), "one");
    await run(await tiny.file("b", { seed: 1 }), "two");
    expect(await logOf(tiny.path("one"))).not.toEqual(await logOf(tiny.path("two")));
  });
});

describe("a disk that becomes full", () => {
  async function runFull(file: string, out: string, at: number, resume: boolean) {
    let error: { code: string; kind: string; message: string; help: string } | undefined;
    const { result, writes } = await whileFull(at, () =>
      run(file, out, { resume }).catch((caught) => {
        error = caught;
      }),
    );
    return { result, error, writes };
  }

  it("at any write leaves a run that goes on with the same losses to the same model, to the bit", async () => {
    const file = await tiny.file("a");
    const { writes, result } = await runFull(file, "whole", 0, false);
    const names = async (out: string) => (await readdir(tiny.path(out))).sort();
    const expected = {
      log: await logOf(tiny.path("whole")),
      model: await readFile(tiny.path("whole/model.safetensors")),
      names: await names("whole"),
    };
    const count = 14;
    for (let i = 0; i < count; i++) {
      // The first writes are of one file each; then they are spread over logs, checkpoints and the model, to the last.
      const at = i < 8 ? i + 1 : writes - Math.round(((count - 1 - i) * (writes - 9)) / (count - 9));
      const out = `out${at}`;
      const { error } = await runFull(file, out, at, false);
      expect(error, `write ${at}`).toMatchObject({ code: "disk-full", kind: "failure" });
      expect(error!.message).toMatch(/^Not enough space in .*: (\d+ bytes are needed, )?the disk became full$/);
      const begun = await names(out).catch(() => undefined);
      if (begun) expect(error!.help).toMatch(/the same command with --resume (goes on|begins anew)/);
      // Full once more where it goes on.
      const again = begun && i % 4 === 0 ? (await runFull(file, out, 3, true)).error : undefined;
      if (again) expect(again).toMatchObject({ code: "disk-full" });
      const { heldOutLoss } = await run(file, out, { resume: begun !== undefined });
      expect(heldOutLoss, `write ${at}`).toBe(result!.heldOutLoss);
      expect(await logOf(tiny.path(out)), `write ${at}`).toEqual(expected.log);
      expect((await readFile(tiny.path(`${out}/model.safetensors`))).equals(expected.model)).toBe(true);
      expect(await names(out)).toEqual(expected.names);
    }
  }, 60_000);
});

describe("going on is refused", () => {
  it.each<[string, object, object, string]>([
    ["with another rate", { rate: 0.02 }, {}, "training.rate was 0.01, is 0.02"],
    ["with another optimizer", { optimizer: "muon" }, {}, 'training.optimizer was "adamw", is "muon"'],
    ["with another schedule", {}, { schedule: "0-1" }, 'schedule was "each(0-1)x2", is "0-1"'],
    ["with another tokenizer", {}, { tokenizer: { bpe: 300 } }, 'tokenizer was "bytes", is {"bpe":300}'],
  ])("%s", async (_, training, other, message) => {
    await interrupted(await tiny.file("a"), "out", 5);
    const before = await readFile(tiny.path("out/checkpoint.safetensors"));
    await expect(run(await tiny.file("b", training, other), "out", { resume: true })).rejects.toMatchObject({
      code: "run-config",
      message: expect.stringContaining(message),
    });
    expect((await readFile(tiny.path("out/checkpoint.safetensors"))).equals(before)).toBe(true);
  });

  it("with other data", async () => {
    const file = await tiny.file("a");
    await interrupted(file, "out", 5);
    await appendFile(tiny.path("cat.txt"), "And more.");
    await expect(run(file, "out", { resume: true })).rejects.toMatchObject({ code: "run-data", kind: "input" });
  });

  it("where there is no run, or it is finished, or its checkpoint is damaged", async () => {
    const file = await tiny.file("a");
    await expect(run(file, "nowhere", { resume: true })).rejects.toMatchObject({ code: "run-missing" });
    await run(file, "done");
    await expect(run(file, "done", { resume: true })).rejects.toMatchObject({ code: "run-finished" });
    await interrupted(file, "out", 5);
    const bytes = await readFile(tiny.path("out/checkpoint.safetensors"));
    await writeFile(tiny.path("out/checkpoint.safetensors"), bytes.subarray(0, bytes.length - 100));
    await expect(run(file, "out", { resume: true })).rejects.toMatchObject({ code: "checkpoint-damaged" });
  });
});

describe("a run is refused, or stops", () => {
  it("where its folder has something in it, an unfinished run too", async () => {
    const file = await tiny.file("a");
    await mkdir(tiny.path("full"));
    await writeFile(tiny.path("full/notes.txt"), "mine");
    await expect(run(file, "full")).rejects.toMatchObject({ code: "output-exists" });
    await expect(run(file, "cat.txt")).rejects.toMatchObject({ code: "output-exists" });
    await interrupted(file, "out", 5);
    await expect(run(file, "out")).rejects.toMatchObject({
      message: expect.stringContaining("not finished"),
      help: expect.stringContaining("--resume"),
    });
  });

  it.each<[string, object, object, string]>([
    ["a rate that diverges", { rate: 1e6, clip: 0, steps: 200 }, {}, "diverged"],
    ["a corpus shorter than a sequence", { length: 8192 }, {}, "corpus-small"],
    [
      "too small a vocabulary",
      {},
      { tokenizer: "bytes", model: { model_type: "gpt2", n_embd: 16, n_layer: 2, n_head: 2, vocab_size: 99 } },
      "tokenizer-mismatch",
    ],
    ["a text that is missing", {}, { data: { files: "nowhere.txt" } }, "file-missing"],
    ["a tokenizer that is missing", {}, { tokenizer: "nowhere.json" }, "file-missing"],
    ["a group that matches nothing", { groups: [{ match: "nothing" }] }, {}, "training-config"],
    ["a network that no memory holds", { sequences: 4096, length: 4000 }, {}, "too-large"],
  ])("with %s", async (_, training, other, code) => {
    await expect(run(await tiny.file("a", training, other), "out")).rejects.toMatchObject({ code });
  });
});
