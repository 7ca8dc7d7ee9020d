import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CacheType, TILE } from "./attention-layout.ts";
import { type AttentionShape, Graph, type RopeTable } from "./graph.ts";
import type { Parameter } from "./parameter.ts";
import { type Plan, plan } from "./plan.ts";
import { ReferencePlayer } from "./reference.ts";
import { everyPlayer, type NamedPlayer } from "./wasm/builds.testing.ts";
import { LoadedProgram } from "./wasm/loaded-program.ts";
import { ParameterStore } from "./wasm/parameter-store.ts";
import type { WasmPlayer } from "./wasm/player.ts";

/** More than two tiles and a bit. */
const CONTEXT = 2 * TILE + 21;
const CHUNK = 40;

let players: NamedPlayer[] = [];
beforeAll(async () => {
  players = await everyPlayer();
});
afterAll(() => Promise.all(players.map(({ player }) => player.close())));

/** Queries, keys and values are rows of three tables, one for each token: nothing but attention is computed. */
class Case {
  readonly graph = new Graph();
  readonly values: ReadonlyMap<string, Float32Array>;

  constructor(shape: AttentionShape, table: RopeTable | undefined, number: (name: string, i: number) => number) {
    const { heads, kvHeads, headWidth } = shape;
    const values = new Map<string, Float32Array>();
    const rows = (name: string, columns: number) => {
      const parameter: Parameter = { name, kind: "matrix", rows: CONTEXT, columns, part: "attention" };
      values.set(
        name,
        Float32Array.from({ length: CONTEXT * columns }, (_, i) => number(name, i)),
      );
      return this.graph.embed(parameter);
    };
    this.values = values;
    const k = rows("k", kvHeads * headWidth);
    const turned = table ? this.graph.rope(k, kvHeads, headWidth, table) : k;
    const v = rows("v", kvHeads * headWidth);
    this.graph.output("y", this.graph.attention(rows("q", heads * headWidth), turned, v, shape));
  }

  plan(cache: CacheType, threads: number): Plan {
    return plan(this.graph, () => "f32", { maxRows: CHUNK, tailRows: CHUNK, context: CONTEXT, threads, cache });
  }

  /** y of tokens 0 … count - 1, read in chunks of these sizes; what is left of them, one by one. */
  play(player: WasmPlayer, cache: CacheType, count: number, sizes: readonly number[]): number[] {
    const store = new ParameterStore(player);
    const planned = this.plan(cache, player.threads);
    for (const parameter of planned.parameters) {
      store.reserve(parameter, "f32");
      store.writeRows(parameter, 0, this.values.get(parameter.name)!);
    }
    const program = new LoadedProgram(player, store, planned);
    const width = this.graph.outputs.get("y")!.width;
    const y: number[] = [];
    for (let at = 0, chunk = 0; at < count; chunk++) {
      const rows = Math.min(sizes[chunk] ?? 1, count - at);
      program.play(tokens(at, rows), at, 0);
      const { data, stride } = program.output("y", rows);
      for (let r = 0; r < rows; r++) y.push(...data.subarray(r * stride, r * stride + width));
      at += rows;
    }
    program.dispose();
    store.dispose();
    return y;
  }

  reference(count: number): number[] {
    const reference = new ReferencePlayer(this.graph, (parameter) => this.values.get(parameter.name)!);
    return reference.output(reference.play({ tokens: tokens(0, count) }), "y").flatMap((row) => [...row]);
  }
}

const tokens = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);

const worst = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), a.length === b.length ? 0 : Infinity);

/** Uniform in [-1, 1), the same for the same seed. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

const shapes = fc
  .record({
    kvHeads: fc.integer({ min: 1, max: 3 }),
    group: fc.constantFrom(1, 2, 3, 4, 5, 7, 30),
    headWidth: fc.constantFrom(2, 6, 8, 12, 16, 20, 32, 48, 64),
    window: fc.option(fc.integer({ min: 1, max: CONTEXT }), { nil: undefined }),
  })
  .map(
    ({ kvHeads, group, headWidth, window }): AttentionShape => ({
      heads: kvHeads * group,
      kvHeads,
      headWidth,
      ...(window === undefined ? {} : { window }),
    }),
  );

const work = {
  shape: shapes,
  count: fc.integer({ min: 1, max: CONTEXT }),
  sizes: fc.array(fc.integer({ min: 1, max: CHUNK }), { maxLength: 12 }),
  seed: fc.integer(),
};

function rope(headWidth: number): RopeTable {
  const angles = Float32Array.from({ length: (CONTEXT * headWidth) / 2 }, (_, i) => (i * 7) % 11);
  return { cosines: angles.map(Math.cos), sines: angles.map(Math.sin) };
}

describe("attention", () => {
  it("is that of float64, for every build, shape, window and chunking", () => {
    fc.assert(
      fc.property(fc.record({ ...work, turned: fc.boolean() }), ({ shape, count, sizes, seed, turned }) => {
        const random = uniform(seed);
        const number = (name: string) => random() * (name === "q" ? 4 : 1);
        const of = new Case(shape, turned ? rope(shape.headWidth) : undefined, number);
        const expected = of.reference(count);
        for (const { name, player } of players) {
          expect(worst(of.play(player, "f32", count, sizes), expected), name).toBeLessThan(3e-6);
        }
      }),
      { numRuns: 25 },
    );
  });

  it("is that of float64 with an 8-bit cache, where keys and values are multiples of 1/127 of their largest", () => {
    fc.assert(
      fc.property(fc.record(work), ({ shape, count, sizes, seed }) => {
        const random = uniform(seed);
        // The first column of every head is ±1: its scale is 1/127, and nothing is rounded but queries and weights.
        const number = (name: string, i: number) => {
          const value = random();
          if (name === "q") return value * 4;
          return i % shape.headWidth === 0 ? Math.sign(value) || 1 : Math.fround(Math.round(value * 127) / 127);
        };
        const of = new Case(shape, undefined, number);
        const expected = of.reference(count);
        for (const { name, player } of players) {
          expect(worst(of.play(player, "q8", count, sizes), expected), name).toBeLessThan(5e-4);
        }
      }),
      { numRuns: 25 },
    );
  });

  for (const cache of ["f32", "q8"] as const) {
    it(`has the same bits for any chunking and any number of threads: ${cache}`, () => {
      fc.assert(
        fc.property(fc.record(work), ({ shape, count, sizes, seed }) => {
          const of = new Case(shape, rope(shape.headWidth), uniform(seed));
          const [first, ...others] = players.filter(({ name }) => name.startsWith("relaxed"));
          const expected = of.play(first!.player, cache, count, []);
          for (const { name, player } of [first!, ...others]) {
            expect(of.play(player, cache, count, sizes), name).toEqual(expected);
          }
        }),
        { numRuns: 25 },
      );
    });

    it(`forgets what stood behind the position that it goes back to: ${cache}`, () => {
      const shape = { heads: 6, kvHeads: 2, headWidth: 20 };
      const of = new Case(shape, undefined, uniform(1));
      const { player } = players[0]!;
      const planned = of.plan(cache, player.threads);
      const store = new ParameterStore(player);
      for (const parameter of planned.parameters) {
        store.reserve(parameter, "f32");
        store.writeRows(parameter, 0, of.values.get(parameter.name)!);
      }
      const program = new LoadedProgram(player, store, planned);
      const read = () => Array.from(program.output("y", 5).data);
      program.play(tokens(0, 30), 0, 0);
      program.play(tokens(30, 5), 30, 0);
      const expected = read();
      program.play(tokens(100, 40), 30, 0);
      program.play(tokens(70, 40), 70, 0);
      program.play(tokens(30, 5), 30, 0);
      expect(read()).toEqual(expected);
      program.dispose();
      store.dispose();
    });
  }

  it("refuses heads too wide for the sums of an 8-bit cache", () => {
    const of = new Case({ heads: 1, kvHeads: 1, headWidth: 520 }, undefined, () => 0);
    expect(() => of.plan("q8", 1)).toThrow(/heads are 520 wide; an 8-bit cache holds at most 512/);
    expect(of.plan("f32", 1).cacheBytes).toBe(2 * 3 * TILE * 520 * 4);
  });
});

describe("the size of a cache", () => {
  it("is a quarter and a scale with 8 bits", () => {
    const of = new Case({ heads: 9, kvHeads: 3, headWidth: 64 }, undefined, () => 0);
    const positions = 3 * TILE;
    expect(of.plan("f32", 1).cacheBytes).toBe(2 * positions * 3 * 64 * 4);
    expect(of.plan("q8", 1).cacheBytes).toBe(2 * positions * 3 * (64 + 4));
  });
});
