import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { narrow } from "../model/width.ts";
import { load, type Model } from "../refrain.ts";
import { FileJournal, memoryJournal } from "./journal.ts";
import type { Calibration } from "./method.ts";
import { solveLayers } from "./solve-layers.ts";
import { surgeonMethod } from "./surgeon.ts";
import { verifyWritten } from "./verify.ts";

const window = 32;
const windows = 24;
const calibration: Calibration = {
  tokens: Array.from({ length: window * windows }, (_, i) => (i * i * 7 + 3 * i + 5) % 60),
  window,
  windows,
  text: { name: "numbers", sha256: "0" },
};

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "refrain-surgeon-"));
});
afterAll(() => rm(parent, { recursive: true }));

/** Mean over all rows of windows from `first` on of ‖ours - theirs‖² / ‖theirs‖² behind the last step. */
function missed(whole: Model, smaller: Model, first = 0): number {
  const width = whole.config.hiddenSize;
  const last = (model: Model, text: readonly number[]) => {
    const player = model.stepwise(window);
    return model.steps.reduce((x, step) => player.step(step, [x])[0]!, player.embed(text));
  };
  let sum = 0;
  for (let w = first; w < windows; w++) {
    const text = calibration.tokens.slice(w * window, (w + 1) * window);
    const [theirs, ours] = [last(whole, text), last(smaller, text)];
    for (let at = 0; at < theirs.length; at += width) {
      const row = theirs.slice(at, at + width);
      const gap = row.reduce((all, value, i) => all + (value - ours[at + i]!) ** 2, 0);
      sum += gap / row.reduce((all, value) => all + value ** 2, 0);
    }
  }
  return sum / (window * (windows - first));
}

describe.each(["models/llama-gqa", "models/gpt2", "models/mistral"])("the layers of %s", (name) => {
  let model: Model;
  beforeAll(async () => {
    model = await load(fixturePath(name), { weights: "f32", threads: 1 });
  });
  afterAll(() => model.dispose());

  it("stay as they were where nothing goes", async () => {
    const solved = await solveLayers(model, calibration, { channels: model.config.ffnSize });
    expect(solved).toHaveLength(2 * model.steps.length);
    for (const { parameter, values, kept, missed } of solved) {
      const before = model.memory.store.read(parameter);
      expect(kept).toHaveLength(parameter.columns);
      expect(missed).toBeLessThan(1e-9);
      const largest = Math.max(...before.map(Math.abs));
      expect(Math.max(...values.map((value, i) => Math.abs(value - before[i]!)))).toBeLessThan(1e-4 * largest);
    }
  });

  it("miss less with fewer channels than with those channels left out and nothing solved", async () => {
    const amount = { kind: "params", share: 0.85 } as const;
    const found = await surgeonMethod.run({ model, amount, calibration, journal: memoryJournal() }, {});
    const { kept } = found.record as unknown as { kept: { block: number; channels: number[] }[] };
    const heads = Array.from({ length: model.config.kvHeads }, (_, i) => i);
    const units = new Map(kept.map(({ block, channels }) => [block, { heads, channels }]));
    const [solved, cut] = [
      await model.edited(found.edit!, model.schedule),
      await model.edited((source) => narrow(source, model.config, units), model.schedule),
    ];
    try {
      expect(solved.config.ffnSize).toBeLessThan(model.config.ffnSize);
      expect(kept.map(({ channels }) => channels.length)).toEqual(model.steps.map(() => solved.config.ffnSize));
      const scores = found.scores as unknown as { matrix: string; missed: number }[];
      expect(missed(model, solved, windows - windows / 8)).toBeCloseTo(scores.at(-1)!.missed, 4);
      expect(missed(model, solved)).toBeLessThan(0.8 * missed(model, cut));
      const folder = join(parent, name.replaceAll("/", "-"));
      await solved.save(folder);
      expect((await verifyWritten(solved, folder, { threads: 1 })).difference).toBeLessThan(1e-4);
    } finally {
      await Promise.all([solved.dispose(), cut.dispose()]);
    }
  });
});

describe("solving layers", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load(fixturePath("models/llama-gqa"), { weights: "f32", threads: 1 });
  });
  afterAll(() => model.dispose());

  it("goes on where it was stopped, with the same bits", async () => {
    const options = { channels: 64 };
    const whole = await solveLayers(model, calibration, options);
    // In a folder that is not there yet.
    const journal = new FileJournal(join(parent, "new", "stopped"), "halves");
    for (const turns of [12, 25, Number.POSITIVE_INFINITY]) {
      let played = 0;
      const stopping = new AbortController();
      const onProgress = () => ++played === turns && stopping.abort();
      const stopped = solveLayers(model, calibration, { ...options, journal, signal: stopping.signal, onProgress });
      if (Number.isFinite(turns)) await expect(stopped).rejects.toThrow("aborted");
      else expect(await stopped).toEqual(whole);
    }
    await writeFile(journal.checkpoint.path, "nothing");
    const damaged = solveLayers(model, calibration, { ...options, journal });
    await expect(damaged).rejects.toMatchObject({ kind: "input", code: "checkpoint-damaged" });
    await rm(journal.checkpoint.path);
    const gone = solveLayers(model, calibration, { ...options, journal });
    await expect(gone).rejects.toMatchObject({ kind: "input", code: "checkpoint-damaged" });
    await journal.forget();
    expect(await readdir(join(parent, "new"))).toEqual([]);
  });

  it("refuses a text of which nothing can be held out", async () => {
    const one = { ...calibration, tokens: calibration.tokens.slice(0, window), windows: 1 };
    const amount = { kind: "params", share: 0.9 } as const;
    const run = surgeonMethod.run({ model, amount, calibration: one, journal: memoryJournal() }, {});
    await expect(run).rejects.toMatchObject({ kind: "input", code: "text-too-short" });
  });

  it("refuses shared blocks and halves", async () => {
    for (const schedule of ["0 1 1", "0 a1 2"]) {
      const shared = model.withSchedule(schedule);
      const amount = { kind: "params", share: 0.9 } as const;
      const run = surgeonMethod.run({ model: shared, amount, calibration, journal: memoryJournal() }, {});
      await expect(run).rejects.toMatchObject({ kind: "input", code: "surgeon-shared" });
    }
  });
});
