import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  played,
  randomValues,
  referenceGradients,
  type Sizes,
  subjectGraph,
  uniform,
  VOCAB,
} from "../autodiff.testing.ts";
import { differentiate, gradientName } from "../autodiff.ts";
import { type Graph, parametersOf } from "../graph.ts";
import { plan } from "../plan.ts";
import { everyPlayer, type NamedPlayer } from "./builds.testing.ts";
import { LoadedProgram } from "./loaded-program.ts";
import { ParameterStore } from "./parameter-store.ts";
import type { WasmPlayer } from "./player.ts";

/** Sequences reach beyond a tile of attention. */
const [SEQUENCES, LENGTH] = [3, 70];

let players: NamedPlayer[] = [];
beforeAll(async () => {
  players = await everyPlayer();
});
afterAll(() => Promise.all(players.map(({ player }) => player.close())));

function load(
  player: WasmPlayer,
  graph: Graph,
  values: ReadonlyMap<string, Float32Array>,
  cache: "f32" | "q8" = "f32",
) {
  const store = new ParameterStore(player);
  const rows = SEQUENCES * LENGTH;
  const limits = { maxRows: rows, tailRows: rows, context: LENGTH, sequences: SEQUENCES, threads: player.threads };
  const planned = plan(graph, () => "f32", { ...limits, cache });
  for (const parameter of planned.parameters) {
    store.reserve(parameter, "f32");
    store.write(parameter, values.get(parameter.name)!);
  }
  const program = new LoadedProgram(player, store, planned);
  const dispose = () => {
    program.dispose();
    store.dispose();
  };
  return { program, dispose };
}

const arbitrary = fc.record({
  sizes: fc.record({
    width: fc.constantFrom(7, 32, 40),
    ffn: fc.constant(8),
    headWidth: fc.constantFrom(2, 8, 12),
    kvHeads: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    window: fc.option(fc.constantFrom(1, 5, 66), { nil: undefined }),
  }) satisfies fc.Arbitrary<Sizes>,
  sequences: fc.integer({ min: 2, max: SEQUENCES }),
  length: fc.constantFrom(1, 2, 9, 64, LENGTH),
  seed: fc.integer(),
});

const names = ["attention", "rope", "add", "rope and attention", "attention in both directions", "first row"];

it.each(names)(
  "sequences that are played together have the losses of each by itself to the bit, and the sum of their gradients: %s",
  (name) => {
    fc.assert(
      fc.property(arbitrary, ({ sizes, sequences, length, seed }) => {
        const random = uniform(seed);
        const { graph, loss } = subjectGraph(name, sizes);
        if (loss.operation.kind === "mean") graph.output("losses", loss.operation.losses);
        const trained = differentiate(graph, loss, { trained: () => true });
        const values = randomValues(trained, random);
        const inputs = Array.from({ length: sequences }, () => played(length, 0, random));
        const counts = inputs.map(({ targets }) => targets.filter((target) => target >= 0).length);
        const total = counts.reduce((sum, count) => sum + count, 0);
        const expected = inputs.map((input) => referenceGradients(graph, trained, values, input));
        const together = players.map(({ name: build, player }) => {
          const { program, dispose } = load(player, graph, values);
          const tokens = inputs.flatMap((input) => input.tokens);
          const targets = inputs.flatMap((input) => input.targets);
          program.play(tokens, 0, 0, targets, { sequences });
          const losses = program.output("losses", sequences * length).data.slice();
          const gradients = new Map(trained.map((p) => [p.name, program.parameterOutput(gradientName(p), p)]));
          inputs.forEach((input, s) => {
            program.play(input.tokens, 0, 0, input.targets);
            const alone = program.output("losses", length).data;
            expect(alone, `${build}: sequence ${s}`).toEqual(losses.subarray(s * length, (s + 1) * length));
          });
          for (const [parameter, ours] of gradients) {
            const reference = ours.map((_, i) =>
              expected.reduce((sum, of, s) => sum + (of.get(parameter)![i]! * counts[s]!) / total, 0),
            );
            const size = reference.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
            const worst = ours.reduce((most, v, i) => Math.max(most, Math.abs(v - reference[i]!)), 0);
            expect(worst, `${build}: ${parameter}`).toBeLessThan(2e-5 * (0.01 + size));
          }
          dispose();
          return { build, gradients };
        });
        const relaxed = together.filter(({ build }) => build.startsWith("relaxed"));
        for (const { build, gradients } of relaxed) expect(gradients, build).toEqual(relaxed[0]!.gradients);
      }),
      { numRuns: 3 },
    );
  },
);

it("an 8-bit cache has a place for each sequence", () => {
  const sizes = { width: 32, ffn: 8, headWidth: 8, kvHeads: 2, group: 2, window: undefined };
  const { graph, loss } = subjectGraph("rope and attention", sizes);
  if (loss.operation.kind === "mean") graph.output("losses", loss.operation.losses);
  const random = uniform(3);
  const values = randomValues([...new Set(graph.values.flatMap(({ operation }) => parametersOf(operation)))], random);
  const inputs = [1, 2, 3].map(() => played(LENGTH, 0, random));
  for (const { name, player } of players) {
    const { program, dispose } = load(player, graph, values, "q8");
    const [tokens, targets] = [inputs.flatMap((input) => input.tokens), inputs.flatMap((input) => input.targets)];
    program.play(tokens, 0, 0, targets, { sequences: 3 });
    const losses = program.output("losses", 3 * LENGTH).data.slice();
    inputs.forEach((input, s) => {
      program.play(input.tokens, 0, 0, input.targets);
      expect(program.output("losses", LENGTH).data, name).toEqual(losses.subarray(s * LENGTH, (s + 1) * LENGTH));
    });
    dispose();
  }
});

it("a play of more sequences than planned, or of unequal ones, is refused", () => {
  const sizes = { width: 8, ffn: 8, headWidth: 2, kvHeads: 1, group: 1, window: undefined };
  const { graph } = subjectGraph("attention", sizes);
  const values = randomValues(
    [...new Set(graph.values.flatMap(({ operation }) => parametersOf(operation)))],
    uniform(1),
  );
  const { program, dispose } = load(players[0]!.player, graph, values);
  const tokens = (count: number) => Array(count).fill(VOCAB - 1);
  expect(() => program.play(tokens(8), 0, 0, tokens(8), { sequences: 4 })).toThrow("exceed");
  expect(() => program.play(tokens(7), 0, 0, tokens(7), { sequences: 2 })).toThrow("exceed");
  expect(() => program.play(tokens(142), 0, 0, tokens(142), { sequences: 2 })).toThrow("exceed");
  dispose();
});
