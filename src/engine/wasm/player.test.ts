import { afterAll, describe, expect, it } from "vitest";
import { Graph, type RopeTable } from "../graph.ts";
import type { Parameter, StorageType } from "../parameter.ts";
import { plan } from "../plan.ts";
import { ReferencePlayer } from "../reference.ts";
import { builds, everyPlayer, variants } from "./builds.testing.ts";
import { LoadedProgram } from "./loaded-program.ts";
import { nodeHost } from "./node-host.ts";
import { ParameterStore } from "./parameter-store.ts";
import { WasmPlayer } from "./player.ts";
import { bestVariant, hasDotInstruction, type Variant, variantName } from "./variant.ts";

/** Small and awkward: no width is a multiple of 32, and FFN (70) ends within the first half of a block of 32. */
const D = 40;
const FFN = 70;
const HEADS = 5;
const KV = 1;
const HEAD = 8;
const VOCAB = 51;
const CONTEXT = 24;

let seed = 1;
/** Uniform in [-1, 1). */
const random = () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 31 - 1;
};
const matrix = (name: string, rows: number, columns: number): Parameter => ({
  name,
  kind: "matrix",
  rows,
  columns,
  part: "attention",
});
const vector = (name: string, columns: number): Parameter => ({ name, kind: "vector", rows: 1, columns, part: "norm" });

const table: RopeTable = {
  cosines: Float32Array.from({ length: CONTEXT * (HEAD / 2) }, (_, i) =>
    Math.cos(Math.floor(i / 4) * 10 ** (-(i % 4) / 2)),
  ),
  sines: Float32Array.from({ length: CONTEXT * (HEAD / 2) }, (_, i) =>
    Math.sin(Math.floor(i / 4) * 10 ** (-(i % 4) / 2)),
  ),
};

/** One block with every operation that the engine has, played twice, and a loss. */
function everyOperation(): Graph {
  const g = new Graph();
  const embedding = matrix("embedding", VOCAB, D);
  const w = (name: string, rows: number, columns: number) => matrix(name, rows, columns);
  let x = g.add(g.embed(embedding), g.embed(w("positions", CONTEXT, D), "positions"));
  const norm = vector("norm", D);
  const headNorm = vector("head norm", HEAD);
  const layerNorm = [vector("ln weight", D), vector("ln bias", D)] as const;
  for (let play = 0; play < 2; play++) {
    const h = g.rmsNorm(x, norm, 1e-5);
    const q = g.rope(g.headNorm(g.linear(h, w("q", D, D)), headNorm, HEADS, 1e-6), HEADS, HEAD, table);
    const k = g.rope(g.linear(h, w("k", KV * HEAD, D), vector("k bias", KV * HEAD)), KV, HEAD, table);
    const v = g.linear(h, w("v", KV * HEAD, D));
    const window = play === 1 ? { window: 5 } : {};
    const a = g.attention(q, k, v, { heads: HEADS, kvHeads: KV, headWidth: HEAD, ...window });
    x = g.add(x, g.linear(a, w("o", D, D)));
    const h2 = g.layerNorm(x, layerNorm[0], layerNorm[1], 1e-5);
    x = g.add(g.linear(g.swiglu(g.linear(h2, w("gate", FFN, D)), g.linear(h2, w("up", FFN, D))), w("down", D, FFN)), x);
    const half = g.columns(h2, 4, 20);
    x = g.add(x, g.linear(half, w("half", D, 20)));
    x = g.add(x, g.linear(g.gelu(g.linear(h2, w("up 2", FFN, D))), w("down", D, FFN), vector("down bias", D)));
    g.output(`hidden ${play}`, x);
  }
  const logits = g.linear(g.tail(g.rmsNorm(x, norm, 1e-5)), embedding);
  g.output("logits", logits);
  g.output("loss", g.crossEntropy(logits));
  return g;
}

const players: WasmPlayer[] = [];
afterAll(async () => {
  await Promise.all(players.map((player) => player.close()));
});

async function build(type: StorageType, options: { variant?: Variant; threads?: number } = {}) {
  seed = 1;
  const player = await WasmPlayer.create(nodeHost, { threads: 2, ...options });
  players.push(player);
  const graph = everyOperation();
  const store = new ParameterStore(player);
  const planned = plan(graph, () => type, { maxRows: 16, tailRows: 16, context: CONTEXT, threads: player.threads });
  for (const parameter of planned.parameters) {
    store.reserve(parameter, type);
    const scale = parameter.kind === "matrix" ? 2 / Math.sqrt(parameter.columns) : 1;
    const values = Float32Array.from({ length: parameter.rows * parameter.columns }, () => random() * scale);
    if (parameter.kind === "vector") store.writeVector(parameter, values);
    else store.writeRows(parameter, 0, values);
  }
  const program = new LoadedProgram(player, store, planned);
  return { player, graph, store, program };
}

const tokens = [3, 50, 17, 0, 29, 8, 44, 21, 33, 12, 50, 5];
const targets = [50, 17, 0, 29, 8, 44, 21, 33, 12, 50, 5, 1];

/** Rows of an output without padding. */
function read(program: LoadedProgram, name: string, rows: number, width: number): number[][] {
  const { data, stride } = program.output(name, rows);
  return Array.from({ length: rows }, (_, r) => Array.from(data.subarray(r * stride, r * stride + width)));
}

function worst(ours: readonly number[][], reference: readonly ArrayLike<number>[]): number {
  let most = 0;
  ours.forEach((row, r) => {
    row.forEach((value, c) => {
      most = Math.max(most, Math.abs(value - reference[r]![c]!));
    });
  });
  return most;
}

describe("the wasm player", () => {
  it("takes a relaxed build where the engine allows it, the one with dot products where they are one instruction", () => {
    expect(bestVariant()).toEqual({ simd: hasDotInstruction() ? "dot" : "relaxed", threads: true });
  });

  // The reference computes with the weights as stored, so what is left is the rounding of activations:
  // none for f32 and f16, 8 bits for q8 and q4.
  for (const [type, tolerance] of [
    ["f32", 1e-5],
    ["f16", 1e-5],
    ["q8", 0.1],
    ["q4", 0.2],
  ] as const) {
    for (const variant of variants) {
      it(`agrees with float64 on every operation: ${type}, ${variantName(variant)}`, async () => {
        const { graph, store, program } = await build(type, { variant });
        const reference = new ReferencePlayer(graph, (parameter) => store.read(parameter));
        program.play(tokens, 0, 0, targets);
        const expected = reference.play({ tokens, targets });
        for (const [name, width] of [
          ["hidden 0", D],
          ["hidden 1", D],
          ["logits", VOCAB],
          ["loss", 1],
        ] as const) {
          expect(worst(read(program, name, tokens.length, width), reference.output(expected, name)), name).toBeLessThan(
            tolerance,
          );
        }
      });
    }
  }

  for (const type of ["f32", "f16", "q8", "q4"] as const) {
    it(`gives the same bits for any chunking of the prompt and any number of threads: ${type}`, async () => {
      const whole = await build(type, { threads: 1 });
      whole.program.play(tokens, 0, 0, targets);
      const expected = read(whole.program, "logits", tokens.length, VOCAB);
      for (const [threads, sizes] of [
        [1, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]],
        [2, [12]],
        [2, [7, 1, 4]],
        [3, [5, 6, 1]],
      ] as const) {
        const { program } = await build(type, { threads });
        const rows: number[][] = [];
        for (const size of sizes) {
          const chunk = tokens.slice(rows.length, rows.length + size);
          program.play(chunk, rows.length, 0, targets.slice(rows.length, rows.length + size));
          rows.push(...read(program, "logits", size, VOCAB));
        }
        expect(rows).toEqual(expected);
      }
    });
  }

  for (const type of ["f32", "f16", "q8", "q4"] as const) {
    it(`gives a row the same bits alone as among many, where columns are more than a chunk of them: ${type}`, async () => {
      const player = await WasmPlayer.create(nodeHost, { threads: 2 });
      players.push(player);
      const g = new Graph();
      const x = g.embed(matrix("embedding", VOCAB, 600));
      g.output("y", g.add(x, g.linear(x, matrix("w", 600, 600), vector("bias", 600))));
      const planned = plan(g, () => type, { maxRows: 20, tailRows: 1, context: 20, threads: 2 });
      const store = new ParameterStore(player);
      for (const parameter of planned.parameters) {
        store.reserve(parameter, type);
        const values = Float32Array.from({ length: parameter.rows * parameter.columns }, () => random() / 8);
        if (parameter.kind === "vector") store.writeVector(parameter, values);
        else store.writeRows(parameter, 0, values);
      }
      const program = new LoadedProgram(player, store, planned);
      const many = Array.from({ length: 19 }, (_, i) => (i * 7) % VOCAB);
      program.play(many, 0, many.length);
      const expected = read(program, "y", many.length, 600);
      many.forEach((token, row) => {
        program.play([token], row, 1);
        expect(read(program, "y", 1, 600)[0]).toEqual(expected[row]);
      });
    });
  }

  it("gives the same bits whatever is said of when weights were played and will be", async () => {
    const g = new Graph();
    const x = g.embed(matrix("embedding", VOCAB, 600));
    const first = g.add(x, g.linear(x, matrix("a", 600, 600), vector("a bias", 600)));
    // Matrices whose slices are longer and shorter than what is touched again, and one whose groups are.
    const second = g.add(g.linear(first, matrix("b", 600, 600)), first);
    const narrow = g.relu(g.linear(g.columns(second, 8, 40), matrix("c", 3200, 40)));
    g.output("y", g.linear(narrow, matrix("d", 70, 3200), vector("d bias", 70)));
    const named = await everyPlayer();
    players.push(...named.map(({ player }) => player));
    for (const { name, player } of named) {
      const planned = plan(g, () => "f32", { maxRows: 8, tailRows: 8, context: 16, threads: player.threads });
      const store = new ParameterStore(player);
      seed = 7;
      for (const parameter of planned.parameters) {
        store.reserve(parameter, "f32");
        store.write(parameter, Float32Array.from({ length: parameter.rows * parameter.columns }, random));
      }
      const results = ([undefined, "soon", "near"] as const).map((weights) => {
        const instructions = planned.instructions.map(({ weights: _, ...one }) => ({
          ...one,
          ...(weights && { weights }),
        }));
        const program = new LoadedProgram(player, store, { ...planned, instructions });
        const rows = [1, 3, 1, 7, 2].map((count) => {
          program.play(tokens.slice(0, count), 0, 0);
          return read(program, "y", count, 70);
        });
        program.dispose();
        return rows;
      });
      expect(results[0]![0]![0]!.some((value) => value !== 0)).toBe(true);
      expect(results[1], `${name}, soon`).toEqual(results[0]);
      expect(results[2], `${name}, near`).toEqual(results[0]);
    }
  });

  it("plays what it is handed: an input keeps its rows, whatever takes its place in memory, and pads them with zeros", async () => {
    const player = await WasmPlayer.create(nodeHost, { threads: 2 });
    players.push(player);
    const g = new Graph();
    const x = g.input("x", D);
    const twice = g.add(x, x);
    g.output("y", g.add(g.linear(g.add(twice, x), matrix("w", D, D)), twice));
    const planned = plan(g, () => "q8", { maxRows: 16, tailRows: 1, context: 16, threads: 2 });
    const store = new ParameterStore(player);
    const [w] = planned.parameters;
    store.reserve(w!, "q8");
    store.writeRows(w!, 0, Float32Array.from({ length: D * D }, random));
    const program = new LoadedProgram(player, store, planned);
    const reference = new ReferencePlayer(g, (parameter) => store.read(parameter));
    for (const rows of [9, 1, 16]) {
      const values = Float32Array.from({ length: rows * D }, random);
      const inputs = { x: Array.from({ length: rows }, (_, r) => values.subarray(r * D, (r + 1) * D)) };
      // The second play is at another place and must not care what the first has left.
      program.setInput("x", values, D);
      program.play(new Int32Array(rows), 0, rows);
      const tokens = Array.from({ length: rows }, () => 0);
      const expected = reference.output(reference.play({ tokens, inputs }), "y");
      expect(worst(read(program, "y", rows, D), expected)).toBeLessThan(0.3);
    }
    expect(() => program.setInput("z", new Float32Array(D), D)).toThrow("no input z");
  });

  for (const type of ["q8", "q4"] as const) {
    it(`lets attention make the integers that its reader needs, where heads are whole blocks: ${type}`, async () => {
      const player = await WasmPlayer.create(nodeHost, { threads: 2 });
      players.push(player);
      const g = new Graph();
      const width = 2 * 32;
      const x = g.embed(matrix("embedding", VOCAB, width));
      const q = g.linear(x, matrix("q", width, width));
      const k = g.linear(x, matrix("k", 32, width));
      const v = g.linear(x, matrix("v", 32, width));
      const a = g.attention(q, k, v, { heads: 2, kvHeads: 1, headWidth: 32 });
      g.output("y", g.linear(a, matrix("o", width, width)));
      const planned = plan(g, () => type, { maxRows: 12, tailRows: 1, context: 12, threads: 2 });
      // The one quantization of its own is that of the embedding.
      expect(planned.instructions.filter(({ kernel }) => kernel.startsWith("quantize"))).toHaveLength(1);
      const store = new ParameterStore(player);
      for (const parameter of planned.parameters) {
        store.reserve(parameter, type);
        store.writeRows(
          parameter,
          0,
          Float32Array.from({ length: parameter.rows * parameter.columns }, () => random() / 4),
        );
      }
      const program = new LoadedProgram(player, store, planned);
      program.play(tokens, 0, tokens.length);
      const reference = new ReferencePlayer(g, (parameter) => store.read(parameter));
      const expected = reference.output(reference.play({ tokens }), "y");
      expect(worst(read(program, "y", tokens.length, width), expected)).toBeLessThan(0.02);
    });
  }

  for (const type of ["f32", "f16", "q8", "q4"] as const) {
    it(`gives the same whatever was played before: outputs that end within a block of 32 leave nothing stale: ${type}`, async () => {
      const { program } = await build(type);
      program.play(tokens, 0, 0, targets);
      const expected = read(program, "logits", tokens.length, VOCAB);
      for (const other of [targets, [...tokens].reverse()]) {
        program.play(other, 0, 0, targets);
        program.play(tokens, 0, 0, targets);
        expect(read(program, "logits", tokens.length, VOCAB)).toEqual(expected);
      }
    });
  }

  it("computes only the tail's rows of the output", async () => {
    const { program } = await build("f32");
    program.play(tokens, 0, 0, targets);
    const all = read(program, "logits", tokens.length, VOCAB);
    program.play(tokens, 0, tokens.length - 2, targets.slice(-2));
    expect(read(program, "logits", 2, VOCAB)).toEqual(all.slice(-2));
  });

  for (const type of ["q8", "q4"] as const) {
    it(`gives the same integer products in every build, up to what the float kernels fuse: ${type}`, async () => {
      const results: number[][][] = [];
      for (const simd of builds) {
        const { program } = await build(type, { variant: { simd, threads: true } });
        program.play(tokens, 0, 0, targets);
        results.push(read(program, "logits", tokens.length, VOCAB));
      }
      if (builds.length === 3) expect(results[0]).toEqual(results[1]);
      expect(worst(results[0]!, results.at(-1)!)).toBeLessThan(1e-3);
    });
  }
});

describe("a player that is gone", () => {
  for (const threads of [1, 2]) {
    it(`refuses to play instead of waiting for its workers: ${threads} threads`, async () => {
      const { player, program } = await build("f32", { threads });
      await player.close();
      expect(() => program.play(tokens, 0, 0, targets)).toThrow(/disposed of while it was still being played/);
    });
  }

  it("says so when a worker has failed, instead of waiting for it for ever", async () => {
    const { player, program } = await build("f32", { threads: 2 });
    // A kernel number that no table has: the worker traps on it, and so does the caller.
    const words = player.integers(player.allocate(128, "program"), 32);
    words[0] = 1;
    words[16] = 1 << 20;
    expect(() => player.play(words.byteOffset, 1, 0, 0)).toThrow();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(() => program.play(tokens, 0, 0, targets)).toThrow(/a thread of the engine failed/);
  });
});

describe("the plan", () => {
  it("stores a parameter once however often it is played, and gives each played attention a cache slot", async () => {
    const { program } = await build("f32");
    expect(program.plan.parameters.filter((p) => p.name === "q")).toHaveLength(1);
    expect(program.plan.caches).toHaveLength(2);
    const ranges = program.plan.caches.flatMap((cache) => [cache.keys, cache.values]).sort((a, b) => a - b);
    for (let i = 1; i < ranges.length; i++)
      expect(ranges[i]! - ranges[i - 1]!).toBeGreaterThanOrEqual(CONTEXT * HEAD * 4);
  });

  it("reuses the memory of values that are no longer read", async () => {
    const { program } = await build("q8");
    expect(program.plan.activationBytes).toBeLessThan(program.plan.unsharedActivationBytes / 2);
  });
});
