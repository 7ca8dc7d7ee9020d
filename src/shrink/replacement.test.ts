import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import type { Progress } from "../progress.ts";
import { load, type Model } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import type { Step } from "../schedule/schedule.ts";
import { FileJournal, memoryJournal } from "./journal.ts";
import type { Calibration, Method } from "./method.ts";
import { defaultValues } from "./method-options.ts";
import { replaceMethod } from "./replace.ts";
import { trainReplacement } from "./replacement.ts";
import { verifyWritten } from "./verify.ts";

const window = 16;
const windows = 16;
const calibration: Calibration = {
  tokens: Array.from({ length: window * windows }, (_, i) => (i * i * 7 + 3 * i + 5) % 60),
  window,
  windows,
  text: { name: "numbers", sha256: "0" },
};
const training = { updates: 60, batch: 4, rate: 3e-3, seed: 1 };

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "refrain-replace-"));
});
afterAll(() => rm(parent, { recursive: true }));

/** Mean square of what `step` misses of the work of `run`, on the windows that are held out: every eighth, the last. */
function missed(model: Model, player: Model, before: readonly Step[], run: readonly Step[], step: Step): number {
  const [teacher, student] = [model.stepwise(window), player.stepwise(window)];
  let sum = 0;
  let count = 0;
  for (let w = windows - windows / 8; w < windows; w++) {
    let x = teacher.embed(calibration.tokens.slice(w * window, (w + 1) * window));
    for (const each of before) x = teacher.step(each, [x])[0]!;
    const [ours] = student.step(step, [x]);
    for (const each of run) x = teacher.step(each, [x])[0]!;
    for (const [i, value] of x.entries()) sum += (value - ours![i]!) ** 2;
    count += x.length;
  }
  return sum / count;
}

describe.each(["models/llama-gqa", "models/gpt2", "models/mistral"])("a layer for a run of layers of %s", (name) => {
  let model: Model;
  beforeAll(async () => {
    const source = await load(fixturePath(name), { weights: "f32", threads: 1 });
    // As deep as this takes, from the few blocks there are.
    model = source.withSchedule(`0-1 0-${source.config.blocks - 1}`);
    await source.dispose();
  });
  afterAll(() => model.dispose());

  it("learns to do their work, and always the same", async () => {
    const options = { first: 1, length: 2, ...training };
    const trained = await trainReplacement(model, calibration, options);
    const { steps } = model;
    const [before, run] = [steps.slice(0, 1), steps.slice(1, 3)];
    expect(trained.heldOut).toBe(2);
    const untrained = missed(model, model, before, run, steps[1]!);
    expect(Math.abs(trained.before / untrained - 1)).toBeLessThan(1e-4);
    expect(trained.after).toBeLessThan(0.9 * trained.before);
    expect(await trainReplacement(model, calibration, options)).toEqual(trained);
    const other = await trainReplacement(model, calibration, { ...options, seed: 2 });
    expect(other.after).not.toBe(trained.after);
  });

  it("goes on where it was stopped, with the same bits", async () => {
    const options = { first: 1, length: 2, ...training, updates: 130, batch: 1 };
    const whole = await trainReplacement(model, calibration, options);
    const journal = new FileJournal(join(parent, name.replace("/", "-")), "a layer");
    // In the middle of the steps, twice; after the last of them, where only held-out windows are left; and not any more.
    for (const stop of [20, 70, 130, undefined]) {
      const stopping = new AbortController();
      let step = 0;
      const onProgress = ({ label, done }: Progress) => {
        if (label === "training a layer") step = done;
        // `step` is still 0 where the windows are those of the beginning.
        if (step === stop && (stop < 130 || label === "held-out windows")) stopping.abort();
      };
      const stopped = trainReplacement(model, calibration, {
        ...options,
        journal,
        signal: stopping.signal,
        onProgress,
      });
      if (stop === undefined) expect(await stopped).toEqual(whole);
      else await expect(stopped).rejects.toThrow("aborted");
      expect(step).toBe(stop ?? 0);
    }
    // The same place, another search.
    const stranger = {
      ...journal,
      read: async () => 1,
      write: async () => {},
      checkpoint: { ...journal.checkpoint, identity: { search: "another" } },
    };
    expect(await trainReplacement(model, calibration, { ...options, journal: stranger })).toEqual(whole);
    await journal.forget();
    expect((await readdir(parent)).filter((file) => file.includes("search-"))).toEqual([]);
  });

  it("is a block of a model that is written, and plays what was trained", async () => {
    const values = { ...defaultValues(replaceMethod.options), ...training } as Parameters<Method["run"]>[1];
    const context = { model, amount: { kind: "drop", steps: 1 } as const, calibration, journal: memoryJournal() };
    const found = await replaceMethod.run(context, values);
    const { replaced, meanSquares } = found.record as {
      replaced: number[];
      meanSquares: { before: number; after: number };
    };
    expect(replaced).toHaveLength(2);
    expect(found.notes.join()).toContain(`Layers ${replaced[0]}–${replaced[1]} became one`);
    const edited = await model.edited(found.edit!, printSteps(found.steps));
    const folder = join(parent, name.replaceAll("/", "-"));
    try {
      const { steps } = model;
      const step: Step = { block: model.config.blocks, part: "block" };
      expect(found.steps[replaced[0]!]).toEqual(step);
      const after = missed(
        model,
        edited,
        steps.slice(0, replaced[0]),
        steps.slice(replaced[0], replaced[1]! + 1),
        step,
      );
      expect(Math.abs(meanSquares.after / after - 1)).toBeLessThan(1e-4);
      await edited.save(folder);
      expect((await verifyWritten(edited, folder, { threads: 1 })).difference).toBeLessThan(1e-4);
    } finally {
      await edited.dispose();
    }
  });
});

describe("replace refuses", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load(fixturePath("models/llama-gqa"), { threads: 1 });
  });
  afterAll(() => model.dispose());

  const replace = (drop: number, schedule: string, text: Calibration = calibration) => {
    const values = { ...defaultValues(replaceMethod.options), updates: 1 } as Parameters<Method["run"]>[1];
    const amount = { kind: "drop", steps: drop } as const;
    const halved = model.withSchedule(schedule);
    const run = replaceMethod.run({ model: halved, amount, calibration: text, journal: memoryJournal() }, values);
    return run.finally(() => halved.dispose());
  };

  it.each([
    ["more layers than there are", 3, "0-2", calibration, "drop-count", /cannot drop 3 of the 3 steps/],
    ["a run with halves", 2, "0 f1 2", calibration, "replace-halves", /"0 f1 2", has halves/],
    [
      "a text with nothing to judge by",
      1,
      "0-2",
      { ...calibration, tokens: calibration.tokens.slice(0, window), windows: 1 },
      "text-too-short",
      /one window of 16 tokens/,
    ],
  ])("%s", async (_, drop, schedule, text, code, message) => {
    await expect(replace(drop, schedule, text)).rejects.toMatchObject({ kind: "input", code });
    await expect(replace(drop, schedule, text)).rejects.toThrow(message);
  });

  it("to go on when it is told to stop", async () => {
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    const options = { first: 0, length: 2, ...training, signal: stop.signal, onProgress };
    await expect(trainReplacement(model, calibration, options)).rejects.toThrow(/abort/i);
  });
});
