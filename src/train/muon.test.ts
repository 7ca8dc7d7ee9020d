import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uniform } from "../engine/autodiff.testing.ts";
import { matrix } from "../engine/parameter.testing.ts";
import type { Parameter } from "../engine/parameter.ts";
import { nodeHost } from "../engine/wasm/node-host.ts";
import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { WasmPlayer } from "../engine/wasm/player.ts";
import { isMuons, Muon } from "./muon.ts";

const players: WasmPlayer[] = [];
beforeAll(async () => {
  for (const threads of [1, 2, 3]) players.push(await WasmPlayer.create(nodeHost, { threads }));
});
afterAll(() => Promise.all(players.map((player) => player.close())));

type Matrix = readonly (readonly number[])[];

const times = (a: Matrix, b: Matrix): number[][] =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, v, k) => sum + v * b[k]![j]!, 0)));
const turned = (a: Matrix): number[][] => a[0]!.map((_, j) => a.map((row) => row[j]!));
const norm = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));

/** Five rounds of Newton and Schulz's iteration, as it is written down, in float64. */
function orthogonal(momentum: Matrix): Matrix {
  const length = norm(momentum.flat());
  let x: Matrix = momentum.map((row) => row.map((v) => v / Math.max(length, 1e-7)));
  for (let round = 0; round < 5; round++) {
    const gram = times(x, turned(x));
    const polynomial = times(gram, gram).map((row, i) =>
      row.map((v, j) => 2.0315 * v - 4.775 * gram[i]![j]! + (i === j ? 3.4445 : 0)),
    );
    x = times(polynomial, x);
  }
  return x;
}

/** Two steps on matrices of these shapes with random weights and gradients; weights and momenta. */
function twoSteps(player: WasmPlayer, shapes: readonly (readonly [number, number])[], seed: number, scale: number) {
  const parameters = shapes.map(([rows, columns], i) => matrix(rows, columns, `w${i}`));
  const random = uniform(seed);
  const values = ({ rows, columns }: Parameter) =>
    Float32Array.from({ length: rows * columns }, () => scale * random());
  const store = new ParameterStore(player);
  const before = parameters.map(values);
  const steps = [0, 1].map(() => parameters.map(values));
  const gradient = (parameter: Parameter) => ({ ...parameter, name: `gradient of ${parameter.name}` });
  for (const [i, parameter] of parameters.entries()) {
    store.reserve(parameter, "f32");
    store.reserve(gradient(parameter), "f32");
    store.write(parameter, before[i]!);
  }
  const parts = parameters.map((parameter) => ({
    parameter,
    weights: store.address(parameter),
    gradient: store.address(gradient(parameter)),
  }));
  const muon = new Muon(player, parts, { address: parts[0]!.gradient, numbers: 16 }, { group: () => ({ decay: 0.5 }) });
  for (const gradients of steps) {
    for (const [i, parameter] of parameters.entries()) store.write(gradient(parameter), gradients[i]!);
    muon.step(0.1, 0.25);
  }
  const left = parameters.flatMap((parameter) => [...store.read(gradient(parameter))]);
  const after = parameters.map((parameter) => store.read(parameter));
  const momenta = parameters.map((parameter) => muon.readMoments(parameter).first);
  muon.dispose();
  store.dispose();
  return { before, steps, after, momenta, left };
}

const rowsOf = (values: Float32Array, columns: number): Matrix =>
  Array.from({ length: values.length / columns }, (_, r) => [...values.subarray(r * columns, (r + 1) * columns)]);

describe("Muon", () => {
  it("moves matrices of any shape as the formulas in float64 do", () => {
    const side = fc.integer({ min: 1, max: 50 });
    const shapes = fc.array(fc.tuple(side, side), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(shapes, fc.nat(1e6), fc.constantFrom(1, 1e-3, 1e4), (sizes, seed, scale) => {
        const { before, steps, after, momenta, left } = twoSteps(players[0]!, sizes, seed, scale);
        expect(left.every((v) => v === 0)).toBe(true);
        for (const [i, [rows, columns]] of sizes.entries()) {
          let weights = [...before[i]!];
          let momentum = weights.map(() => 0);
          for (const gradients of steps) {
            const clipped = [...gradients[i]!].map((v) => v / 4);
            momentum = momentum.map((m, j) => 0.95 * m + 0.05 * clipped[j]!);
            const ahead = momentum.map((m, j) => 0.05 * clipped[j]! + 0.95 * m);
            const move = orthogonal(rowsOf(Float32Array.from(ahead), columns)).flat();
            const size = 0.1 * 0.2 * Math.sqrt(Math.max(rows, columns));
            weights = weights.map((w, j) => 0.95 * w - size * move[j]!);
          }
          const off = norm(weights.map((w, j) => w - after[i]![j]!));
          // Rounding grows with what the iteration makes larger; the weights themselves are rounded too.
          expect(off).toBeLessThan(1e-3 * 0.1 * 0.2 * Math.sqrt(rows * columns) + 3e-7 * norm([...before[i]!]));
          expect(norm(momentum.map((m, j) => m - momenta[i]![j]!))).toBeLessThan(1e-6 * norm(momentum));
        }
      }),
      { numRuns: 25 },
    );
  });

  it("leaves weights where there is no gradient", () => {
    const { after } = twoSteps(players[0]!, [[20, 33]], 7, 0);
    expect(after[0]!.every((v) => v === 0)).toBe(true);
  });

  it("has the same bits on one, two and three threads", () => {
    const shapes = [
      [40, 96],
      [96, 40],
      [64, 64],
      [1, 33],
      [40, 300],
    ] as const;
    const [one, two, three] = players.map((player) => twoSteps(player, shapes, 11, 0.1));
    expect(two).toEqual(one);
    expect(three).toEqual(one);
  });

  it("is for the maps in the blocks", () => {
    const of = (part: Parameter["part"], kind: Parameter["kind"] = "matrix") =>
      isMuons({ ...matrix(2, 2), part, kind });
    expect([of("attention"), of("ffn")]).toEqual([true, true]);
    expect((["embedding", "projection", "positions", "head"] as const).some((part) => of(part))).toBe(false);
    expect([of("norm", "vector"), of("attention", "vector")]).toEqual([false, false]);
  });
});
