import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  leastBend,
  matrix,
  played,
  randomValues,
  referenceGradients,
  referenceLoss,
  ruleNames,
  type Sizes,
  subjectGraph,
  uniform,
  vector,
} from "./autodiff.testing.ts";
import { differentiate, gradientName } from "./autodiff.ts";
import { Graph } from "./graph.ts";
import type { Parameter } from "./parameter.ts";

const arbitrary = fc.record({
  sizes: fc.record({
    width: fc.integer({ min: 2, max: 9 }),
    ffn: fc.integer({ min: 1, max: 9 }),
    headWidth: fc.constantFrom(2, 4, 6),
    kvHeads: fc.integer({ min: 1, max: 2 }),
    group: fc.integer({ min: 1, max: 3 }),
    window: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  }) satisfies fc.Arbitrary<Sizes>,
  count: fc.integer({ min: 1, max: 6 }),
  tail: fc.integer({ min: 0, max: 5 }),
  seed: fc.integer(),
});

/** Some elements of each parameter: all of the small ones. */
const probes = (count: number, random: () => number): number[] =>
  count <= 12
    ? Array.from({ length: count }, (_, i) => i)
    : Array.from({ length: 12 }, () => Math.floor(((random() + 1) / 2) * count));

/** Differences of the fourth order: a norm of nearly equal numbers bends too sharply for the second. */
describe("every rule against central differences in float64", () => {
  for (const name of ruleNames) {
    it(name, () => {
      fc.assert(
        fc.property(arbitrary, ({ sizes, count, tail, seed }) => {
          const random = uniform(seed);
          const { graph, loss, frozen } = subjectGraph(name, sizes);
          const trained = differentiate(graph, loss, { trained: (parameter) => !frozen.includes(parameter) });
          const values = new Map(
            [...randomValues([...trained, ...frozen], random)].map(
              ([name, v]) => [name, Float64Array.from(v)] as const,
            ),
          );
          const input = played(count, Math.min(tail, count - 1), random);
          const gradients = referenceGradients(graph, trained, values, input);
          const forward = subjectGraph(name, sizes).graph;
          fc.pre(leastBend(forward, values, input) > 1e-3);
          for (const { name } of trained) {
            const numbers = values.get(name)!;
            for (const i of probes(numbers.length, random)) {
              const [before, step] = [numbers[i]!, 1e-5];
              const at = (x: number): number => {
                numbers[i] = x;
                return referenceLoss(forward, values, input);
              };
              const slope =
                (8 * (at(before + step) - at(before - step)) - at(before + 2 * step) + at(before - 2 * step)) /
                (12 * step);
              numbers[i] = before;
              expect(Math.abs(gradients.get(name)![i]! - slope), `${name} ${i}`).toBeLessThan(1e-7);
            }
          }
        }),
        { numRuns: 15 },
      );
    });
  }
});

describe("what is not trained", () => {
  it("has no gradient, and nothing is recorded behind the last thing that is", () => {
    const { graph, loss } = subjectGraph("swiglu", { width: 8, ffn: 8, headWidth: 2, kvHeads: 1, group: 1, window: 1 });
    const trained = differentiate(graph, loss, { trained: ({ name }) => name === "up" });
    expect(trained.map(({ name }) => name)).toEqual(["up"]);
    expect([...graph.outputs.keys()]).toEqual(["loss", "gradient up"]);
    const kinds = graph.values.slice(loss.id + 1).map(({ operation }) => operation.kind);
    expect(kinds).toEqual([
      "meanInput",
      "crossEntropyInput",
      "linearInput",
      "tailInput",
      "swiglu",
      "gradientSum",
      "linearWeight",
    ]);
  });

  it("nothing trained is refused", () => {
    const { graph, loss } = subjectGraph("gelu", { width: 8, ffn: 8, headWidth: 2, kvHeads: 1, group: 1, window: 1 });
    expect(() => differentiate(graph, loss, { trained: () => false })).toThrow(
      expect.objectContaining({ code: "nothing-trained" }),
    );
  });
});

/** Blocks with weights of the names that `weights` gives for each play. */
function deep(plays: readonly number[], keepBlocks: boolean) {
  const graph = new Graph({ oneSlot: true });
  const table = matrix("table", 19, 12);
  let x = graph.embed(table);
  const keep = [x];
  for (const block of plays) {
    const w = (name: string, rows: number, columns: number) => matrix(`${block} ${name}`, rows, columns);
    const n = graph.rmsNorm(x, vector(`${block} norm`, 12), 1e-5);
    const part = (name: string) => graph.linear(n, w(name, 12, 12));
    const a = graph.attention(part("q"), part("k"), part("v"), { heads: 3, kvHeads: 3, headWidth: 4 });
    x = graph.add(x, graph.linear(a, w("o", 12, 12)));
    const h = graph.swiglu(graph.linear(x, w("gate", 20, 12)), graph.linear(x, w("up", 20, 12)));
    x = graph.add(x, graph.linear(h, w("down", 12, 20)));
    keep.push(x);
  }
  const loss = graph.mean(graph.crossEntropy(graph.linear(graph.tail(x), table)));
  graph.output("loss", loss);
  const trained = differentiate(graph, loss, { trained: () => true, ...(keepBlocks ? { keep } : {}) });
  return { graph, trained };
}

describe("a block that is played twice", () => {
  it("gets the sum of what its unrolled copies get", () => {
    const [shared, unrolled] = [deep([0, 0], false), deep([0, 1], false)];
    const values = randomValues(shared.trained, uniform(3));
    const copy = (name: string) => name.replace(/^1/, "0");
    const copies = new Map(unrolled.trained.map(({ name }) => [name, values.get(copy(name))!]));
    const input = played(7, 0, uniform(4));
    const sums = referenceGradients(shared.graph, shared.trained, values, input);
    const parts = referenceGradients(unrolled.graph, unrolled.trained, copies, input);
    for (const { name } of shared.trained) {
      const terms = [...parts].filter(([part]) => copy(part) === name).map(([, gradient]) => gradient);
      expect(terms.length).toBe(name === "table" ? 1 : 2);
      sums.get(name)!.forEach((sum, i) => {
        expect(sum).toBeCloseTo(
          terms.reduce((total, term) => total + term[i]!, 0),
          12,
        );
      });
    }
  });
});

describe("recomputation", () => {
  it("gives the same gradients, from copies of what lies between the values kept", () => {
    const [whole, again] = [deep([0, 1, 1], false), deep([0, 1, 1], true)];
    expect(again.graph.values.length).toBeGreaterThan(whole.graph.values.length);
    const values = randomValues(whole.trained, uniform(5));
    const input = played(9, 0, uniform(6));
    expect(referenceGradients(again.graph, again.trained, values, input)).toEqual(
      referenceGradients(whole.graph, whole.trained, values, input),
    );
  });
});

it("names gradients after their parameters", () => {
  const parameter: Parameter = vector("norm", 3);
  expect(gradientName(parameter)).toBe("gradient norm");
});
