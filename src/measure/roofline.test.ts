import { describe, expect, it } from "vitest";
import type { Parameter, StorageType } from "../engine/parameter.ts";
import { parameterBytes } from "../engine/parameter.ts";
import type { ModelConfig } from "../model/config.ts";
import { parametersPlayed } from "../model/network.ts";
import { planSession } from "../model/session.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { fakeMeasurement } from "./device/profile.testing.ts";
import type { Measurement } from "./device/profile.ts";
import { predictPlay, predictPrompt } from "./roofline.ts";
import { workOf } from "./work.ts";

const config: ModelConfig = {
  modelType: "llama",
  vocabSize: 64,
  hiddenSize: 64,
  embeddingSize: 64,
  blocks: 4,
  heads: 2,
  kvHeads: 1,
  headWidth: 32,
  ffnSize: 128,
  feedForward: "swiglu",
  contextLength: 512,
  normEpsilon: 1e-5,
  tiedEmbeddings: true,
  rope: { theta: 10000, scaling: { kind: "none" } },
  windows: [undefined, undefined, undefined, undefined],
  bias: { qkv: false, output: false, ffn: false },
  queryKeyNorm: false,
  bidirectional: false,
  tokenTypes: 0,
  schedule: undefined,
};
const storageOf = (type: StorageType) => (p: Parameter) => (p.kind === "vector" ? "f32" : type);
const f32 = storageOf("f32");
const planned = (schedule: string, threads = 1, changes: Partial<ModelConfig> = {}, storage = f32) =>
  planSession({ ...config, ...changes }, expand(parseSchedule(schedule)), storage, threads);
const decode = (schedule: string, measured: Measurement, position = 0) =>
  predictPlay(planned(schedule, measured.threads), f32, { rows: 1, position }, measured);

const block = parametersPlayed(config, expand(parseSchedule("0"))).filter((p) => p.block === 0);
const blockBytes = block.reduce((sum, p) => sum + parameterBytes(p, "f32"), 0);
const blockMacs = block.filter((p) => p.kind === "matrix").reduce((sum, p) => sum + p.rows * p.columns, 0);
const headMacs = config.vocabSize * config.hiddenSize;

describe("the work of a plan", () => {
  const total = (rows: number, position: number, schedule = "0-3", changes: Partial<ModelConfig> = {}) =>
    workOf(planned(schedule, 1, changes), f32, { rows, position });
  const sum = (works: ReturnType<typeof total>, kind: string) =>
    works.filter((work) => work.kind === kind).reduce((n, { operations }) => n + operations, 0);

  it("counts each matrix as often as it is played, and the head for one row", () => {
    expect(sum(total(1, 0), "linear")).toBe(4 * blockMacs + headMacs);
    expect(sum(total(1, 0, "each(0-1)x3"), "linear")).toBe(6 * blockMacs + headMacs);
    expect(sum(total(8, 0), "linear")).toBe(8 * 4 * blockMacs + headMacs);
  });

  it("counts what attention sees: all positions before, or a window", () => {
    expect(sum(total(1, 99, "0"), "attention")).toBe(2 * 64 * 100);
    expect(sum(total(4, 10, "0"), "attention")).toBe(2 * 64 * (11 + 12 + 13 + 14));
    expect(sum(total(1, 99, "0", { windows: [16, 16, 16, 16] }), "attention")).toBe(2 * 64 * 16);
  });

  it("is as much as the busiest thread makes it", () => {
    const linear = (threads: number) =>
      workOf(planned("0", threads), f32, { rows: 1, position: 0 }).find(({ kind }) => kind === "linear")!.operations;
    // 64 rows are four groups of 16: three threads take 1, 1 and 2 of them.
    expect(linear(4)).toBe(64 * 64);
    expect(linear(3)).toBe(3 * 2 * 16 * 64);
  });

  it("reads a block's weights under one name, however often it is played", () => {
    const kept = total(1, 0, "each(0)x2").flatMap(({ accesses }) => accesses.filter(({ passing }) => !passing));
    const weights = new Set(kept.map(({ name }) => name).filter((name) => name.startsWith("model.layers")));
    expect(weights.size).toBe(block.length);
    expect(kept.filter(({ name }) => name.startsWith("cache")).map(({ name }) => name)).toEqual(["cache 0", "cache 1"]);
  });
});

describe("the prediction", () => {
  it("is the bytes over the bandwidth where memory is all that counts", () => {
    const one = decode("0-3", fakeMeasurement()).parts.linear;
    const two = decode("0-3 0-3", fakeMeasurement()).parts.linear;
    expect(two - one).toBeCloseTo((4 * blockMacs * 4) / 10e9, 12);
    expect(decode("0-3", fakeMeasurement()).memoryBound).toBeCloseTo(1, 2);
  });

  it("is the operations over the rate where arithmetic is", () => {
    const rates = { linearF32: { kind: "linear", oneRow: 1e6, manyRows: 4e6 } } as const;
    const measured = fakeMeasurement({ rates: { ...fakeMeasurement().rates, ...rates } });
    expect(decode("0-3", measured).parts.linear).toBeCloseTo((4 * blockMacs + headMacs) / 1e6, 6);
    expect(decode("0-3", measured).memoryBound).toBeLessThan(0.01);
    const prompt = predictPrompt(planned("0-3"), f32, 256, measured);
    expect(prompt).toBeCloseTo((256 * 4 * blockMacs) / 4e6 + (2 * headMacs) / 1e6, 3);
  });

  it("adds of the lesser of the two what the device does not hide", () => {
    const rate = { kind: "linear", oneRow: 2.5e9, manyRows: 1e15 } as const;
    const of = (exposed: number) =>
      decode("0-3", fakeMeasurement({ rates: { ...fakeMeasurement().rates, linearF32: { ...rate, exposed } } })).parts
        .linear;
    // Four bytes at 10 GB/s take as long as one multiply–add at 2.5 GMAC/s.
    expect(of(1) / of(0)).toBeCloseTo(2, 6);
    expect(of(0.5) / of(0)).toBeCloseTo(1.5, 6);
  });

  it("finds a block that is played twice at once in the cache, and one that comes round again not", () => {
    const cached = fakeMeasurement({
      bandwidth: [
        { bytes: blockBytes * 1.2, bytesPerSecond: 1e15 },
        { bytes: blockBytes * 1.3, bytesPerSecond: 1e9 },
      ],
    });
    const once = decode("0-3", cached).parts.linear;
    expect(decode("each(0-3)x2", cached).parts.linear / once).toBeCloseTo(1, 2);
    expect(decode("0-3 0-3", cached).parts.linear / once).toBeGreaterThan(1.9);
  });

  it("has a barrier's cost for each barrier, an instruction's for each instruction, a play's once", () => {
    const synchronization = { play: 1, instruction: 1e-3, barrier: 1e-2, wake: 100 };
    const { plan } = planned("0-3");
    const expected = 1 + plan.instructions.length * 1e-3 + (plan.barriers - 1) * 1e-2;
    expect(decode("0-3", fakeMeasurement({ synchronization })).parts.synchronization).toBeCloseTo(expected, 9);
  });

  it("grows with the position, and its parts add up", () => {
    const measured = fakeMeasurement({
      rates: { ...fakeMeasurement().rates, add: { kind: "elements", oneRow: 1e8, manyRows: 1e8 } },
    });
    const early = decode("0-3", measured, 10);
    const late = decode("0-3", measured, 400);
    expect(late.parts.attention).toBeGreaterThan(20 * early.parts.attention);
    expect(late.seconds).toBeCloseTo(
      Object.values(late.parts).reduce((a, b) => a + b, 0),
      12,
    );
    expect(late.parts.elements).toBe(early.parts.elements);
  });

  it("takes a kernel that was not measured for the slowest of its kind", () => {
    const { add, attention } = fakeMeasurement().rates;
    const rates = {
      add: add!,
      attention: attention!,
      linearQ8: { kind: "linear", oneRow: 1e6, manyRows: 1e6 },
    } as const;
    expect(decode("0", fakeMeasurement({ rates })).parts.linear).toBeCloseTo((blockMacs + headMacs) / 1e6, 6);
  });
});
