import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyModel } from "../cli/tiny-model.testing.ts";
import { modelCost } from "../measure/cost.ts";
import { fakeProfile } from "../measure/device/profile.testing.ts";
import { writeProfile } from "../measure/device/profile-file.ts";
import { perplexity } from "../measure/perplexity.ts";
import { load, type Model, resolveSchedule } from "../refrain.ts";
import { formatBytes, formatNumber } from "../report/format.ts";
import { autoMethod } from "./auto.ts";
import type { Budget } from "./budget.ts";
import type { Tried } from "./front.ts";
import { dyingJournal } from "./journal.testing.ts";
import { memoryJournal } from "./journal.ts";
import type { Calibration, Journal } from "./method.ts";

const window = 16;
const windows = 6;
const calibration: Calibration = {
  tokens: Array.from({ length: window * windows }, (_, i) => (i * i * 7 + 3) % 50),
  window,
  windows,
  text: { name: "numbers", sha256: "0" },
};

let tiny: Awaited<ReturnType<typeof tinyModel>>;
let model: Model;
beforeAll(async () => {
  tiny = await tinyModel();
  model = await load(tiny.path, { schedule: "0-2 1-0", threads: 1 });
});
afterAll(async () => {
  await model.dispose();
  await tiny.remove();
});

function search(
  budget: Budget,
  { journal = memoryJournal(), of = model, text = calibration, signal = undefined as AbortSignal | undefined } = {},
) {
  const amount = budget.kind === "params" ? budget : undefined;
  return autoMethod.run({ model: of, amount, budget, calibration: text, journal, signal }, { edits: "none" });
}
const bytesOf = (weights: "f16" | "q8" | "q4", schedule: string | undefined = model.schedule) =>
  modelCost(model.config, resolveSchedule(model.config, schedule)).bytes[weights];

describe("auto", () => {
  it("finds the least loss within a budget of bytes, and tells all that it tried", async () => {
    const budget: Budget = { kind: "fit", bytes: Math.round(0.9 * bytesOf("q8")) };
    const found = await search(budget);
    const tried = found.scores as unknown as Tried[];
    const best = tried[found.search!.chosen]!;
    expect(found.record).toMatchObject({ keepWeights: best.weights, predictedTokens: 3 * 15 });
    for (const { bytes, parameters, schedule, weights, withinBudget } of tried) {
      const cost = modelCost(model.config, resolveSchedule(model.config, schedule));
      expect({ bytes, parameters }).toEqual({ bytes: cost.bytes[weights], parameters: cost.uniqueParameters });
      expect(withinBudget).toBe(bytes <= budget.bytes);
    }
    const fitting = tried.filter(({ withinBudget }) => withinBudget);
    expect(best.loss).toBe(Math.min(...fitting.map(({ loss }) => loss)));
    expect(new Set(tried.map(({ weights }) => weights))).toEqual(new Set(["f16", "q8", "q4"]));
    expect(tried.some(({ front }) => front)).toBe(true);
    expect(found.notes[0]).toContain(`Of ${tried.length} that were tried, ${fitting.length} are within the budget.`);
    expect(await search(budget)).toEqual(found);
  });

  it("says what the choice is in fewer bits", async () => {
    const { scores, notes, search: told } = await search({ kind: "params", share: 0.9 });
    const tried = scores as unknown as Tried[];
    const { way, count, weights } = tried[told!.chosen]!;
    expect(weights).toBe("f16");
    const [q8, q4] = (["q8", "q4"] as const).map((weights) => {
      const { bytes, loss } = tried.find((one) => one.way === way && one.count === count && one.weights === weights)!;
      return `${formatBytes(bytes)}, loss ${formatNumber(loss, 4)}, in ${weights}`;
    });
    expect(notes).toContain(`In fewer bits it takes ${q8}; ${q4}.`);
  });

  it("judges by the loss of the written model on the half of the text that no choice was made by", async () => {
    const { scores } = await search({ kind: "params", share: 0.9 });
    const judge = calibration.tokens.slice((windows / 2) * window);
    for (const { schedule, weights, loss } of (scores as unknown as Tried[]).slice(0, 3)) {
      const played = await load(tiny.path, { schedule, weights, threads: 1 });
      const { meanLoss } = await perplexity(played.session({ output: "loss" }), judge, { window, stride: window });
      // The file is F32; written down it stays so.
      expect(loss).toBe(meanLoss);
      await played.dispose();
    }
  });

  describe("with a profile of the device", () => {
    let folder: string;
    const before = process.env.REFRAIN_DEVICE_PROFILE;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "refrain-auto-"));
      process.env.REFRAIN_DEVICE_PROFILE = join(folder, "device.json");
    });
    afterAll(async () => {
      if (before === undefined) delete process.env.REFRAIN_DEVICE_PROFILE;
      else process.env.REFRAIN_DEVICE_PROFILE = before;
      await rm(folder, { recursive: true });
    });

    it("keeps to a speed, which says what to do where there is none", async () => {
      const budget: Budget = { kind: "speed", ratio: 1.2 };
      await expect(search(budget)).rejects.toMatchObject({ code: "device-profile" });
      await writeProfile(join(folder, "device.json"), fakeProfile());
      const found = await search(budget);
      const tried = found.scores as unknown as Tried[];
      // Of this device reading takes all the time: a step less is faster, a shared pair is not, q8 is about four times f32.
      for (const { seconds, withinBudget, way, weights } of tried) {
        expect(seconds).toBeGreaterThan(0);
        if (weights !== "f16") expect(withinBudget).toBe(true);
        if (weights === "f16" && way === "whole") expect(seconds).toBe(Math.max(...tried.map((one) => one.seconds!)));
      }
      await expect(search({ kind: "speed", ratio: 1e6 })).rejects.toMatchObject({
        code: "budget",
        message: expect.stringMatching(/is 1000000 times as fast: the least is [\d.]+ times, "\d" in q4/),
      });
    });
  });

  it("keeps to a share of the parameters", async () => {
    const { steps } = await search({ kind: "params", share: 0.8 });
    const share =
      modelCost(model.config, steps).uniqueParameters / modelCost(model.config, model.steps).uniqueParameters;
    expect(share).toBeLessThanOrEqual(0.8);
  });

  it("goes on where it was stopped, wherever that is, with the same numbers to the bit", async () => {
    const budget: Budget = { kind: "params", share: 0.8 };
    const whole = await search(budget);
    const count = (whole.scores as unknown as Tried[]).length;
    for (const stop of [0, 1, Math.floor(count / 2), count - 1]) {
      const journal = memoryJournal();
      await expect(search(budget, { journal: dyingJournal(journal, stop) })).rejects.toThrow("killed");
      let more = 0;
      const counting: Journal = { read: journal.read, write: async () => void more++ };
      expect(await search(budget, { journal: counting })).toEqual(whole);
      expect(more).toBe(count - stop - 1);
    }
  });

  it("says the least that there is where nothing is within the budget, before it measures", async () => {
    const journal: Journal = {
      read: () => Promise.reject(new Error("it measured")),
      write: () => Promise.reject(new Error("it measured")),
    };
    await expect(search({ kind: "fit", bytes: 1000 }, { journal })).rejects.toMatchObject({
      kind: "input",
      code: "budget",
      message: expect.stringMatching(/nothing .* fits 1\.0 kB: the least is [\d.]+ kB, "\d" in q4/),
    });
    await expect(search({ kind: "params", share: 0.01 }, { journal })).rejects.toMatchObject({ code: "budget" });
  });

  it("refuses a text with nothing to judge by", async () => {
    const text = { ...calibration, tokens: calibration.tokens.slice(0, window), windows: 1 };
    await expect(search({ kind: "params", share: 0.9 }, { text })).rejects.toMatchObject({ code: "text-too-short" });
  });

  it("has nothing to take from a model of one layer but its weights' width", async () => {
    const one = model.withSchedule("1");
    const found = await search({ kind: "fit", bytes: bytesOf("q8", "1") }, { of: one });
    expect((found.scores as unknown as Tried[]).every(({ schedule }) => /^[af]?1$/.test(schedule))).toBe(true);
    expect(found.steps).toHaveLength(1);
    await one.dispose();
  });

  it("stops when it is told to", async () => {
    await expect(search({ kind: "params", share: 0.9 }, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});
