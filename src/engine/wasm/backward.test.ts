import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  matrix,
  type Played,
  played,
  randomValues,
  referenceGradients,
  ruleNames,
  type Sizes,
  subjectGraph,
  uniform,
  VOCAB,
} from "../autodiff.testing.ts";
import { differentiate, gradientName } from "../autodiff.ts";
import { Graph, type Value } from "../graph.ts";
import type { Parameter, StorageType } from "../parameter.ts";
import { type Plan, plan } from "../plan.ts";
import { ReferencePlayer } from "../reference.ts";
import { everyPlayer, type NamedPlayer } from "./builds.testing.ts";
import { LoadedProgram } from "./loaded-program.ts";
import { ParameterStore } from "./parameter-store.ts";
import type { WasmPlayer } from "./player.ts";

const ROWS = 18;

let players: NamedPlayer[] = [];
beforeAll(async () => {
  players = await everyPlayer();
});
afterAll(() => Promise.all(players.map(({ player }) => player.close())));

function planFor(graph: Graph, threads: number, storage: (parameter: Parameter) => StorageType = () => "f32"): Plan {
  return plan(graph, storage, { maxRows: ROWS, tailRows: ROWS, context: ROWS, threads });
}

interface Loaded {
  readonly program: LoadedProgram;
  readonly store: ParameterStore;
  dispose(): void;
}

/** The graph with these values; matrices that are not trained are kept as `type`. */
function load(
  player: WasmPlayer,
  graph: Graph,
  values: ReadonlyMap<string, Float32Array>,
  type: StorageType = "f32",
): Loaded {
  const store = new ParameterStore(player);
  const planned = planFor(graph, player.threads, (p) => (p.kind === "vector" ? "f32" : type));
  for (const parameter of planned.parameters) {
    store.reserve(parameter, type);
    if (parameter.kind === "vector") store.writeVector(parameter, values.get(parameter.name)!);
    else store.writeRows(parameter, 0, values.get(parameter.name)!);
  }
  const program = new LoadedProgram(player, store, planned);
  return {
    program,
    store,
    dispose() {
      program.dispose();
      store.dispose();
    },
  };
}

function gradients(
  player: WasmPlayer,
  graph: Graph,
  trained: readonly Parameter[],
  values: ReadonlyMap<string, Float32Array>,
  input: Played,
): Map<string, Float32Array> {
  const { program, dispose } = load(player, graph, values);
  // What another play left in memory must not show.
  program.play(Array(ROWS).fill(1), 0, 0, Array(ROWS).fill(2));
  program.gradients.fill(0);
  program.play(input.tokens, 0, input.tail, input.targets);
  const result = new Map(trained.map((p) => [p.name, program.parameterOutput(gradientName(p), p)]));
  result.set("loss", program.output("loss", 1).data.slice(0, 1));
  dispose();
  return result;
}

const arbitrary = fc.record({
  sizes: fc.record({
    width: fc.constantFrom(2, 7, 20, 32, 40, 70),
    ffn: fc.constantFrom(1, 18, 33, 64, 300),
    headWidth: fc.constantFrom(2, 6, 8, 12, 48),
    kvHeads: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    window: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
  }) satisfies fc.Arbitrary<Sizes>,
  count: fc.integer({ min: 1, max: ROWS }),
  tail: fc.integer({ min: 0, max: 5 }),
  seed: fc.integer(),
});

const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce(
    (most, value, i) => Math.max(most, Math.abs(value - b[i]!)),
    a.length === b.length ? 0 : Infinity,
  );
const largest = (a: readonly number[]): number => a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

describe("gradients by the kernels against float64, for every build; the same bits for any number of threads", () => {
  for (const name of ruleNames) {
    it(name, () => {
      fc.assert(
        fc.property(arbitrary, ({ sizes, count, tail, seed }) => {
          const random = uniform(seed);
          const { graph, loss, frozen } = subjectGraph(name, sizes);
          const trained = differentiate(graph, loss, { trained: (parameter) => !frozen.includes(parameter) });
          const values = randomValues([...trained, ...frozen], random);
          const input = played(count, Math.min(tail, count - 1), random);
          const expected = referenceGradients(graph, trained, values, input);
          const all = players.map(({ name, player }) => ({
            name,
            of: gradients(player, graph, trained, values, input),
          }));
          for (const { name, of } of all) {
            for (const [parameter, reference] of expected) {
              const ours = of.get(parameter)!;
              // Where terms of order one cancel, the rounding of the terms is what is left: 2e-7 of f32, and some of them.
              const bound = 1e-5 * (0.1 + largest(reference));
              expect(worst(ours, reference), `${name}: ${parameter}`).toBeLessThan(bound);
            }
          }
          const relaxed = all.filter(({ name }) => name.startsWith("relaxed"));
          for (const { name, of } of relaxed) expect(of, name).toEqual(relaxed[0]!.of);
        }),
        { numRuns: 12 },
      );
    });
  }
});

describe("the product with frozen weights", () => {
  /** dy W as a graph of its own: dy is a table's rows, kept in f32. */
  function product(width: number, columns: number, plus: boolean) {
    const graph = new Graph();
    const weight = matrix("w", width, columns);
    const dy = graph.embed(matrix("dy", VOCAB, width));
    const record = (more: Value | undefined) =>
      graph.record({ kind: "linearInput", dy, weight, plus: more }, columns, "all");
    graph.output("dx", record(plus ? record(undefined) : undefined));
    return { graph, weight };
  }

  for (const type of ["f32", "f16", "q8", "q4"] as const) {
    it(`reads the numbers that ${type} stands for`, () => {
      fc.assert(
        fc.property(
          fc.record({
            width: fc.constantFrom(1, 40, 64, 300, 700),
            columns: fc.constantFrom(5, 32, 70),
            rows: fc.integer({ min: 1, max: ROWS }),
            plus: fc.boolean(),
            seed: fc.integer(),
          }),
          ({ width, columns, rows, plus, seed }) => {
            const random = uniform(seed);
            const { graph, weight } = product(width, columns, plus);
            const values = randomValues([weight, matrix("dy", VOCAB, width)], random);
            const tokens = played(rows, 0, random).tokens;
            for (const { name, player } of players) {
              const { program, store, dispose } = load(player, graph, values, type);
              program.play(tokens, 0, 0);
              const reference = new ReferencePlayer(graph, (p) => store.read(p));
              const expected = reference.output(reference.play({ tokens }), "dx");
              const { data, stride } = program.output("dx", rows);
              expected.forEach((row, m) => {
                const ours = data.subarray(m * stride, m * stride + columns);
                expect(worst(ours, row), `${name} ${m}`).toBeLessThan(2e-5);
                expect(data.subarray(m * stride + columns, (m + 1) * stride).every((v) => v === 0)).toBe(true);
              });
              dispose();
            }
          },
        ),
        { numRuns: 8 },
      );
    });
  }
});

it("the product reads the numbers that a file's Q4_1 blocks stand for", () => {
  const [weight, table] = [matrix("w", 300, 64), matrix("dy", VOCAB, 300)];
  const graph = new Graph();
  const dy = graph.embed(table);
  graph.output("dx", graph.record({ kind: "linearInput", dy, weight, plus: undefined }, 64, "all"));
  const random = uniform(9);
  const blocks = Uint8Array.from({ length: 300 * 2 * 20 }, (_, i) => {
    // A block begins with its scale and its minimum, f16: the high bytes make them about 0.02 and -0.2.
    const high = { 1: 0x24, 3: 0xb2 }[i % 20];
    return high ?? Math.floor((random() + 1) * 128);
  });
  for (const { name, player } of players) {
    const store = new ParameterStore(player);
    store.reserve(weight, "q4_1");
    const landing = store.landing(blocks.length);
    landing.set(blocks);
    store.settle(weight, 0, 300, "Q4_1", landing);
    store.leave(landing);
    store.reserve(table, "f32");
    store.writeRows(table, 0, randomValues([table], uniform(2)).get("dy")!);
    const program = new LoadedProgram(
      player,
      store,
      planFor(graph, player.threads, (p) => store.type(p)),
    );
    const { tokens } = played(ROWS, 0, uniform(3));
    program.play(tokens, 0, 0);
    const reference = new ReferencePlayer(graph, (p) => store.read(p));
    const expected = reference.output(reference.play({ tokens }), "dx").flatMap((row) => [...row]);
    expect(largest(expected)).toBeGreaterThan(0.1);
    expect(worst(program.output("dx", ROWS).data, expected), name).toBeLessThan(2e-5);
    program.dispose();
    store.dispose();
  }
});

it("rows beyond a panel are added to the sums that it left", async () => {
  const graph = new Graph();
  const dy = graph.embed(matrix("dy", VOCAB, 33));
  const x = graph.embed(matrix("x", VOCAB, 40));
  graph.output("dw", graph.record({ kind: "linearWeight", dy, x, plus: undefined }, 40, 33));
  const { player } = players[0]!;
  const random = uniform(1);
  const values = randomValues([matrix("dy", VOCAB, 33), matrix("x", VOCAB, 40)], random);
  const store = new ParameterStore(player);
  const planned = plan(graph, () => "f32", { maxRows: 600, tailRows: 1, context: 600, threads: player.threads });
  for (const p of planned.parameters) {
    store.reserve(p, "f32");
    store.writeRows(p, 0, values.get(p.name)!);
  }
  const program = new LoadedProgram(player, store, planned);
  const { tokens } = played(600, 0, random);
  program.play(tokens, 0, 599);
  const reference = new ReferencePlayer(graph, (p) => values.get(p.name)!);
  const expected = reference.output(reference.play({ tokens, tail: 599 }), "dw").flatMap((row) => [...row]);
  expect(worst(program.parameterOutput("dw", matrix("dw", 33, 40)), expected)).toBeLessThan(1e-4);
  program.dispose();
  store.dispose();
});
