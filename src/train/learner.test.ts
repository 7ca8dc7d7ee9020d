import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath, readTrainingReference, type TrainingReference } from "../../test/fixtures.ts";
import { matrix, randomValues, subjectGraph, uniform, VOCAB } from "../engine/autodiff.testing.ts";
import { differentiate } from "../engine/autodiff.ts";
import type { Parameter } from "../engine/parameter.ts";
import { nodeHost } from "../engine/wasm/node-host.ts";
import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { WasmPlayer } from "../engine/wasm/player.ts";
import { loadWeights } from "../model/load-weights.ts";
import { parametersPlayed } from "../model/network.ts";
import { readConfig } from "../model/read-config.ts";
import { ropeTable } from "../model/rope.ts";
import { trainingNetwork } from "../model/training-network.ts";
import { identitySteps } from "../schedule/schedule.ts";
import { openCheckpoint } from "../weights/open.ts";
import { Learner, type UpdateOptions } from "./learner.ts";
import { describeLearner, planLearner, refuseLearnerIfTooLarge } from "./learner-plan.ts";

const players: WasmPlayer[] = [];
beforeAll(async () => {
  for (const threads of [1, 2, 3]) players.push(await WasmPlayer.create(nodeHost, { threads }));
});
afterAll(() => Promise.all(players.map((player) => player.close())));

const norm = (values: ArrayLike<number>): number => Math.sqrt(Array.from(values).reduce((sum, v) => sum + v * v, 0));
/** The largest relative difference. */
const furthest = (ours: readonly number[], expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(ours[i]! / value - 1)));

const [SEQUENCES, LENGTH] = [2, 12];

const optimizers = ["adamw", "muon"] as const;
type Optimizer = (typeof optimizers)[number];

interface Subject {
  readonly learner: Learner;
  readonly store: ParameterStore;
  dispose(): void;
}

interface SubjectOptions {
  readonly trained?: (parameter: Parameter) => boolean;
  readonly frozen?: "f32" | "q8";
  readonly seed?: number;
  readonly optimizer?: Optimizer;
}

/** A small model of random weights: attention between a table and a head. */
function subject(player: WasmPlayer, options: SubjectOptions = {}): Subject {
  const { trained = () => true, frozen = "f32", seed = 1, optimizer = "adamw" } = options;
  const sizes = { width: 40, ffn: 8, headWidth: 8, kvHeads: 2, group: 2, window: undefined };
  const { graph, loss } = subjectGraph("rope and attention", sizes);
  differentiate(graph, loss, { trained });
  const limits = { sequences: SEQUENCES, length: LENGTH, threads: player.threads, storage: () => frozen, optimizer };
  const planned = planLearner(graph, limits);
  const values = randomValues(planned.plan.parameters, uniform(seed));
  const store = new ParameterStore(player);
  for (const parameter of planned.plan.parameters) {
    if (trained(parameter)) continue;
    store.reserve(parameter, frozen);
    store.write(parameter, values.get(parameter.name)!);
  }
  const learner = new Learner(player, store, planned, {
    group: ({ kind }) => ({ decay: kind === "matrix" ? 0.1 : 0 }),
  });
  for (const parameter of learner.trained) learner.writeParameter(parameter, values.get(parameter.name)!);
  const dispose = () => {
    learner.dispose();
    store.dispose();
  };
  return { learner, store, dispose };
}

interface Batch {
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
}

/** Random tokens, each row to predict the next; one target in five ignored if `gaps`. */
function batchOf(seed: number, sequences = SEQUENCES, gaps = true): Batch {
  const random = uniform(seed);
  const tokens = Int32Array.from({ length: sequences * LENGTH }, () => Math.floor(((random() + 1) / 2) * VOCAB));
  return { tokens, targets: tokens.map((_, i) => (gaps && i % 5 === 2 ? -1 : tokens[(i + 1) % tokens.length]!)) };
}

/** Steps with two batches each; losses, norms, and every number of the state. */
function train(
  learner: Learner,
  steps: readonly number[],
  options: UpdateOptions = { rate: 0.01, clip: 0.5 },
): number[] {
  return steps.flatMap((step) => {
    const losses = [2 * step, 2 * step + 1].map((seed) => {
      const { tokens, targets } = batchOf(seed);
      return learner.accumulate(tokens, targets, 0.5);
    });
    return [...losses, learner.update(options).gradientNorm];
  });
}

const stateOf = (learner: Learner) => learner.trained.map((parameter) => [parameter, learner.read(parameter)] as const);

describe("20 steps against PyTorch in float64: clipping, decay of matrices, two batches a step of two sequences", () => {
  const { settings, models, muon } = readTrainingReference();
  const { beta1, beta2, epsilon, decay, sequences, length } = settings;

  async function open(player: WasmPlayer, name: string, optimizer: Optimizer) {
    const checkpoint = await openCheckpoint(fixturePath(`models/${name}`));
    const config = await readConfig(checkpoint);
    const steps = identitySteps(config.blocks);
    const store = new ParameterStore(player);
    await loadWeights(checkpoint, parametersPlayed(config, steps), "f32", store);
    await checkpoint.close();
    const table = ropeTable(config.rope, config.headWidth, length);
    const { graph } = trainingNetwork(config, steps, { table, trained: () => true });
    const planned = planLearner(graph, { sequences, length, threads: player.threads, optimizer });
    const group = ({ kind }: Parameter) => ({ decay: kind === "matrix" ? decay : 0 });
    return { store, learner: new Learner(player, store, planned, { beta1, beta2, epsilon, group }) };
  }

  function trainOn(learner: Learner, { batches, norms }: TrainingReference) {
    const losses: number[] = [];
    const ours = norms.map((_, step) => {
      for (const { tokens, targets } of batches.slice(step * settings.batches, (step + 1) * settings.batches)) {
        losses.push(learner.accumulate(Int32Array.from(tokens), Int32Array.from(targets), 1 / settings.batches));
      }
      const rate = settings.rate * Math.min(1, (step + 1) / settings.warmUp);
      return learner.update({ rate, clip: settings.clip }).gradientNorm;
    });
    return { losses, norms: ours };
  }

  const cases = Object.entries({ adamw: models, muon }).flatMap(([optimizer, references]) =>
    Object.entries(references).map(([name, reference]) => ({ name, optimizer: optimizer as Optimizer, reference })),
  );
  // Five rounds make what is small in a momentum some hundred times larger, its rounding too.
  const bounds = { adamw: { norm: 1e-5, sample: 5e-4 }, muon: { norm: 1e-5, sample: 5e-4 } };
  it.each(cases)("$name, $optimizer", async ({ name, optimizer, reference }) => {
    const { store, learner } = await open(players[0]!, name, optimizer);
    const before = new Map(learner.trained.map((p) => [p.name, store.read(p)]));
    const { losses, norms } = trainOn(learner, reference);
    expect(furthest(losses, reference.losses)).toBeLessThan(1e-5);
    expect(furthest(norms, reference.norms)).toBeLessThan(1e-5);
    for (const [parameter, expected] of Object.entries(reference.moved)) {
      const trained = learner.trained.find((p) => p.name === parameter)!;
      const moved = learner.read(trained).weights.map((v, i) => v - before.get(parameter)![i]!);
      const sample = Array.from(expected.sample.values, (v, i) => moved[i * expected.stride]! - v);
      const off = Math.abs(norm(moved) / expected.norm - 1);
      expect(off, `norm of ${parameter}`).toBeLessThan(bounds[optimizer].norm);
      expect(norm(sample) / norm(expected.sample.values), `sample of ${parameter}`).toBeLessThan(
        bounds[optimizer].sample,
      );
    }
    expect(learner.steps).toBe(20);
    learner.dispose();
    store.dispose();
  });
});

it("learns a sequence by heart", () => {
  const { learner, dispose } = subject(players[0]!);
  const { tokens, targets } = batchOf(3, 1, false);
  const before = learner.evaluate(tokens, targets);
  for (let step = 0; step < 60; step++) {
    learner.accumulate(tokens, targets);
    learner.update({ rate: 0.03, clip: 1 });
  }
  expect(before).toBeGreaterThan(2);
  expect(learner.evaluate(tokens, targets)).toBeLessThan(0.05);
  dispose();
});

it("half a batch twice, at half its share, gives the gradients of the whole", () => {
  const { learner, dispose } = subject(players[1]!);
  const { tokens, targets } = batchOf(4, 2, false);
  const whole = learner.accumulate(tokens, targets);
  const expected = learner.trained.map((parameter) => learner.gradient(parameter));
  learner.restore([], 0);
  const losses = [0, 1].map((half) => {
    const [begin, end] = [half * LENGTH, (half + 1) * LENGTH];
    return learner.accumulate(tokens.subarray(begin, end), targets.subarray(begin, end), 0.5);
  });
  expect((losses[0]! + losses[1]!) / 2).toBeCloseTo(whole, 6);
  learner.trained.forEach((parameter, i) => {
    const ours = learner.gradient(parameter);
    expect(norm(expected[i]!)).toBeGreaterThan(1e-4);
    expect(norm(ours.map((v, j) => v - expected[i]![j]!)) / norm(expected[i]!), parameter.name).toBeLessThan(1e-6);
  });
  dispose();
});

it.each(optimizers)("losses, norms, weights and moments have the same bits on 1–3 threads, %s", (optimizer) => {
  const results = players.map((player) => {
    const { learner, dispose } = subject(player, { optimizer });
    const result = { losses: train(learner, [0, 1, 2, 3]), state: stateOf(learner) };
    dispose();
    return result;
  });
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
});

it.each(optimizers)("a learner that is given another's state goes on with the same bits, %s", (optimizer) => {
  const first = subject(players[1]!, { optimizer });
  train(first.learner, [0, 1, 2]);
  const [state, steps] = [stateOf(first.learner), first.learner.steps];
  const second = subject(players[0]!, { seed: 99, optimizer });
  second.learner.accumulate(batchOf(50).tokens, batchOf(50).targets);
  second.learner.restore(state, steps);
  expect(train(second.learner, [3, 4])).toEqual(train(first.learner, [3, 4]));
  expect(stateOf(second.learner)).toEqual(stateOf(first.learner));
  expect(second.learner.steps).toBe(5);
  first.dispose();
  second.dispose();
});

it("evaluation gives the loss of training and touches no gradient", () => {
  const { learner, dispose } = subject(players[1]!);
  const { tokens, targets } = batchOf(6);
  const loss = learner.accumulate(tokens, targets);
  const before = learner.trained.map((parameter) => learner.gradient(parameter));
  const other = batchOf(7, 1);
  learner.evaluate(other.tokens, other.targets);
  expect(learner.evaluate(tokens, targets)).toBe(loss);
  expect(learner.trained.map((parameter) => learner.gradient(parameter))).toEqual(before);
  dispose();
});

it("frozen parameters stay as they are, in whatever type", () => {
  const isHead = (parameter: Parameter) => parameter.name === "head";
  const { learner, store, dispose } = subject(players[1]!, { trained: isHead, frozen: "q8" });
  expect(learner.trained.map(({ name }) => name)).toEqual(["head"]);
  const value = matrix("v", 16, 40);
  const [frozen, before] = [store.read(value), learner.read(learner.trained[0]!).weights];
  expect(store.type(value)).toBe("q8");
  train(learner, [0, 1]);
  expect(store.read(value)).toEqual(frozen);
  expect(learner.read(learner.trained[0]!).weights).not.toEqual(before);
  dispose();
});

it("a parameter's group has a rate and a decay of its own", () => {
  const move = (options: { rate?: number; decay?: number }) => {
    const player = players[0]!;
    const { graph, loss } = subjectGraph("linear", { width: 8, ffn: 8, headWidth: 2, kvHeads: 1, group: 1, window: 1 });
    differentiate(graph, loss, { trained: ({ name }) => name === "w" });
    const planned = planLearner(graph, { sequences: 1, length: LENGTH, threads: 1 });
    const values = randomValues(planned.plan.parameters, uniform(2));
    const store = new ParameterStore(player);
    for (const parameter of planned.plan.parameters) {
      store.reserve(parameter, "f32");
      store.write(parameter, values.get(parameter.name)!);
    }
    const learner = new Learner(player, store, planned, { group: () => options });
    const { tokens, targets } = batchOf(1, 1);
    learner.accumulate(tokens, targets);
    learner.update({ rate: 0.125 });
    const before = values.get("w")!;
    const moved = learner.read(learner.trained[0]!).weights.map((v, i) => v - before[i]!);
    learner.dispose();
    store.dispose();
    return { moved, before };
  };
  const plain = move({});
  // The first step of Adam moves every weight by the rate.
  for (const v of plain.moved) expect(Math.abs(v)).toBeCloseTo(0.125, 3);
  for (const [i, v] of move({ rate: 0.5 }).moved.entries()) expect(v).toBeCloseTo(plain.moved[i]! / 2, 6);
  for (const [i, v] of move({ decay: 0.5 }).moved.entries()) {
    expect(v).toBeCloseTo(plain.moved[i]! - 0.0625 * plain.before[i]!, 6);
  }
});

describe("what goes wrong", () => {
  it("gradients that are not finite stop training and leave weights and moments as they were", () => {
    const { learner, store, dispose } = subject(players[1]!);
    train(learner, [0]);
    const table = learner.trained.find(({ name }) => name === "table")!;
    store.write(table, store.read(table).fill(1e30));
    const before = stateOf(learner);
    const { tokens, targets } = batchOf(1);
    learner.accumulate(tokens, targets);
    expect(() => learner.update({ rate: 0.01 })).toThrow(expect.objectContaining({ code: "diverged" }));
    expect(stateOf(learner)).toEqual(before);
    expect(learner.steps).toBe(1);
    expect(learner.gradient(table).every((v) => v === 0)).toBe(true);
    dispose();
  });

  it("tokens and targets beyond the vocabulary, and batches of no whole sequences", () => {
    const { learner, dispose } = subject(players[0]!);
    const { tokens, targets } = batchOf(1);
    const unknown = tokens.with(3, VOCAB);
    expect(() => learner.accumulate(unknown, targets)).toThrow(expect.objectContaining({ code: "token" }));
    expect(() => learner.accumulate(tokens.with(3, -1), targets)).toThrow(expect.objectContaining({ code: "token" }));
    expect(() => learner.evaluate(tokens, unknown)).toThrow(expect.objectContaining({ code: "token" }));
    expect(() => learner.accumulate(tokens.subarray(1), targets.subarray(1))).toThrow("whole sequences");
    expect(() => learner.accumulate(tokens.subarray(LENGTH), targets)).toThrow("whole sequences");
    const three = batchOf(1, 3);
    expect(() => learner.accumulate(three.tokens, three.targets)).toThrow("exceed");
    dispose();
  });

  it("a trained parameter that is kept in few bits, and a sequence longer than the graph has positions for", () => {
    const sizes = { width: 32, ffn: 8, headWidth: 8, kvHeads: 1, group: 1, window: undefined };
    const { graph, loss } = subjectGraph("rope", sizes);
    expect(() => planLearner(graph, { sequences: 1, length: 8, threads: 1 })).toThrow("no loss");
    differentiate(graph, loss, { trained: ({ name }) => name === "w" });
    expect(() => planLearner(graph, { sequences: 1, length: 81, threads: 1 })).toThrow("80 positions");
    const planned = planLearner(graph, { sequences: 1, length: 8, threads: 1 });
    const store = new ParameterStore(players[0]!);
    store.reserve(planned.trained[0]!, "q8");
    expect(() => new Learner(players[0]!, store, planned)).toThrow("must be kept as f32");
    store.dispose();
  });
});

it.each(optimizers)("takes the memory that the plan says, and gives it back, %s", async (optimizer) => {
  const { graph, loss } = subjectGraph("swiglu", {
    width: 512,
    ffn: 2048,
    headWidth: 2,
    kvHeads: 1,
    group: 1,
    window: 1,
  });
  differentiate(graph, loss, { trained: () => true });
  const planned = planLearner(graph, { sequences: 4, length: 64, threads: 1, optimizer });
  const player = await WasmPlayer.create(nodeHost, { threads: 1 });
  const store = new ParameterStore(player);
  const begin = player.memory.buffer.byteLength;
  const learner = new Learner(player, store, planned);
  const taken = player.memory.buffer.byteLength - begin;
  expect(learner.memory).toBe(planned.memory);
  // The kernels' memory holds all but what the JavaScript engine takes for itself.
  const inside = planned.memory.total - planned.memory.runtime;
  expect(taken / inside).toBeGreaterThan(0.99);
  // A few rows on their way in, and whole pages.
  expect(taken / inside).toBeLessThan(1.02);
  expect(describeLearner(planned)).toContain(`in all       ${(planned.memory.total / 1e6).toFixed(2)} MB`);
  expect(describeLearner(planned)).toContain("4 × 64 tokens at once");
  const moments = { adamw: "two moments for each", muon: "a moment for each number of attention" };
  expect(describeLearner(planned)).toContain(moments[optimizer]);
  learner.dispose();
  store.dispose();
  const again = new Learner(player, new ParameterStore(player), planned);
  expect(player.memory.buffer.byteLength - begin).toBe(taken);
  again.dispose();
  await player.close();
  refuseLearnerIfTooLarge(planned, planned.memory.total);
  const tooLarge = expect.objectContaining({ code: "too-large" });
  expect(() => refuseLearnerIfTooLarge(planned, planned.memory.total - 1)).toThrow(tooLarge);
});
