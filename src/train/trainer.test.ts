import { describe, expect, it } from "vitest";
import type { Batch } from "./batches.ts";
import { type Learning, type LogEntry, lossAt, type TrainOptions, train } from "./trainer.ts";

/** Learns one number: the loss is its squared distance to the first token of a batch. */
class OneNumber implements Learning {
  steps = 0;
  value = 0;
  gradient = 0;
  /** Tokens in the order in which they came. */
  readonly read: number[] = [];

  accumulate(tokens: Int32Array, _: Int32Array, share = 1): number {
    this.read.push(tokens[0]!);
    this.gradient += share * 2 * (this.value - tokens[0]!);
    return (this.value - tokens[0]!) ** 2;
  }

  evaluate(tokens: Int32Array): number {
    return (this.value - tokens[0]!) ** 2;
  }

  update({ rate }: { rate: number }) {
    this.value -= rate * this.gradient;
    const gradientNorm = Math.abs(this.gradient);
    this.gradient = 0;
    this.steps++;
    return { gradientNorm };
  }
}

const batch = (token: number, targets = [0, 0]): Batch => ({
  tokens: Int32Array.of(token, 0),
  targets: Int32Array.from(targets),
});
const numbered = { batch: async (index: number) => batch(index) };
const same = { batch: async () => batch(5) };

async function run(options: Partial<TrainOptions>, learner: Learning = new OneNumber()) {
  const log: LogEntry[] = [];
  const trained = await train(learner, {
    steps: 6,
    batches: same,
    rate: () => 0.1,
    log: (entry) => void log.push(entry),
    ...options,
  });
  return { trained, log, learner };
}

describe("the training loop", () => {
  it("takes the batches of each step once, in order, and averages them", async () => {
    const learner = new OneNumber();
    const { log } = await run({ batches: numbered, accumulation: 3, steps: 2 }, learner);
    expect(learner.read).toEqual([0, 1, 2, 3, 4, 5]);
    expect(log[0]).toMatchObject({ step: 1, tokens: 6, loss: 5 / 3, rate: 0.1, gradientNorm: 2 });
  });

  it("learns, and says so in its log and its result", async () => {
    const { trained, log } = await run({ steps: 40 });
    const losses = log.flatMap((entry) => ("loss" in entry ? [entry.loss] : []));
    expect(losses[0]).toBe(25);
    expect(losses.at(-1)).toBeLessThan(1e-5);
    expect(trained).toMatchObject({ steps: 40, tokens: 80, loss: losses.at(-1), heldOutLoss: undefined });
  });

  it("follows the rate of each step", async () => {
    const { log } = await run({ steps: 3, rate: (step) => 0.1 / (step + 1) });
    expect(log.map((entry) => "rate" in entry && entry.rate)).toEqual([0.1, 0.05, 0.1 / 3]);
  });

  it("evaluates before, between and after; a row counts as much as any other", async () => {
    const heldOut = [batch(0), batch(6, [1, -1])];
    const { log, trained } = await run({ heldOut, evaluateEvery: 4 });
    const held = log.flatMap((entry) => ("heldOutLoss" in entry ? [entry] : []));
    expect(held.map(({ step }) => step)).toEqual([0, 4, 6]);
    expect(held[0]!.heldOutLoss).toBeCloseTo(36 / 3, 12);
    expect(trained.heldOutLoss).toBe(held[2]!.heldOutLoss);
  });

  it("samples and saves when it is time, and at the end", async () => {
    const saved: number[] = [];
    const learner = new OneNumber();
    const save = async () => void saved.push(learner.steps);
    const { log } = await run({ save, saveEvery: 4, sample: async () => "hi", sampleEvery: 5 }, learner);
    expect(saved).toEqual([4, 6]);
    expect(log.filter((entry) => "sample" in entry)).toEqual([
      { step: 5, sample: "hi" },
      { step: 6, sample: "hi" },
    ]);
  });

  it("goes on after the steps that a learner has taken, as if it had never stopped", async () => {
    const whole = new OneNumber();
    const { log } = await run({ batches: numbered, accumulation: 2 }, whole);
    const half = new OneNumber();
    await run({ batches: numbered, accumulation: 2, steps: 3 }, half);
    const rest = await run({ batches: numbered, accumulation: 2 }, half);
    const plain = (entry: LogEntry) => ({ ...entry, seconds: 0 });
    expect(rest.log.map(plain)).toEqual(log.slice(3).map(plain));
    expect(half).toEqual(whole);
    expect((await run({}, half)).trained).toMatchObject({ steps: 0, tokensPerSecond: 0, loss: undefined });
  });

  it("saves when it is interrupted, and says how to go on", async () => {
    const controller = new AbortController();
    const learner = new OneNumber();
    const saved: number[] = [];
    const log = (entry: LogEntry) => {
      if (entry.step === 3) controller.abort();
    };
    const save = async () => void saved.push(learner.steps);
    await expect(run({ log, save, signal: controller.signal }, learner)).rejects.toMatchObject({
      code: "interrupted",
      message: "Interrupted after step 3 of 6, which is saved",
      help: expect.stringContaining("--resume"),
    });
    expect(saved).toEqual([3]);
    expect(learner.steps).toBe(3);
  });

  it.each([3, 6])(
    "an evaluation that is interrupted after step %i is no result, and is made when the run goes on",
    async (at) => {
      const heldOut = [batch(0), batch(6)];
      const whole = await run({ heldOut, evaluateEvery: 3 });
      const controller = new AbortController();
      const learner = new OneNumber();
      const evaluate = learner.evaluate;
      learner.evaluate = (tokens) => {
        if (learner.steps === at) controller.abort();
        return evaluate.call(learner, tokens);
      };
      const log: LogEntry[] = [];
      const stopped = { heldOut, evaluateEvery: 3, log: (entry: LogEntry) => void log.push(entry) };
      await expect(run({ ...stopped, signal: controller.signal }, learner)).rejects.toMatchObject({
        message: `Interrupted after step ${at} of 6`,
      });
      const { trained } = await run({ ...stopped, evaluated: lossAt(log, at) }, learner);
      const held = (entries: readonly LogEntry[]) => entries.filter((entry) => "heldOutLoss" in entry);
      expect(held(log)).toEqual(held(whole.log));
      expect(trained.heldOutLoss).toBe(whole.trained.heldOutLoss);
    },
  );

  it("a loss that is known where it goes on is its result, and not computed again", async () => {
    const learner = new OneNumber();
    const { trained: whole, log } = await run({ heldOut: [batch(3)] }, learner);
    const again = await run({ heldOut: [batch(3)], evaluated: lossAt(log, 6) }, learner);
    expect(again).toMatchObject({ log: [], trained: { steps: 0, heldOutLoss: whole.heldOutLoss } });
  });

  it("throws half a step away when it is interrupted within one", async () => {
    const controller = new AbortController();
    const batches = {
      batch: async (index: number) => {
        if (index === 5) controller.abort();
        return batch(index);
      },
    };
    const learner = new OneNumber();
    await expect(run({ batches, accumulation: 3, signal: controller.signal }, learner)).rejects.toMatchObject({
      message: "Interrupted after step 1 of 6",
    });
  });

  it("stops where the loss is no number, before the step, and names the checkpoint that is good", async () => {
    const learner = new OneNumber();
    const batches = { batch: async (index: number) => batch(index < 4 ? 5 : Number.NaN) };
    learner.accumulate = (tokens) => (learner.read.push(tokens[0]!) > 4 ? Number.NaN : 3);
    const save = async () => {};
    await expect(run({ batches, save, saveEvery: 2 }, learner)).rejects.toMatchObject({
      code: "diverged",
      message: "the training diverged at step 5: the loss is NaN. The checkpoint of step 4 is the last good one.",
      help: expect.stringContaining("lower training.rate"),
    });
    expect(learner.steps).toBe(4);
  });

  it("stops where the loss rises", async () => {
    await expect(run({ steps: 100, rate: () => 1.02 })).rejects.toMatchObject({
      code: "diverged",
      message: expect.stringMatching(
        /^the training diverged at step \d+: the loss rose to .* There is no checkpoint yet\.$/,
      ),
    });
  });

  it("hands on what a hook or a batch throws", async () => {
    const failing = async () => {
      throw new Error("disk");
    };
    await expect(run({ save: failing, saveEvery: 1 })).rejects.toThrow("disk");
    await expect(run({ batches: { batch: failing } })).rejects.toThrow("disk");
  });
});
