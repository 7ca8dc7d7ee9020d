import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reuseDistances, type Use } from "./reuse.ts";

const uses = (text: string, bytes = 10): Use[] => [...text].map((name) => ({ name, bytes }));

describe("reuse distances", () => {
  it.each([
    ["a loop over everything", "abc", [30, 30, 30]],
    ["the same thing twice at once", "aabb", [20, 10, 20, 10]],
    ["a block played again behind another", "abab", [20, 20, 20, 20]],
    ["something in between", "aba", [10, 20, 20]],
    ["one thing alone", "a", [10]],
    ["nothing", "", []],
  ])("%s", (_, text, distances) => {
    expect(reuseDistances(uses(text))).toEqual(distances);
  });

  /** Names with a size each. */
  const trace = fc
    .array(fc.integer({ min: 0, max: 12 }), { maxLength: 60 })
    .map((ids) => ids.map((id) => ({ name: `${id}`, bytes: 1 + ((id * 37) % 11) })));

  it("lie between the bytes of the thing and the bytes of all things", () => {
    fc.assert(
      fc.property(trace, (uses) => {
        const all = [...new Map(uses.map(({ name, bytes }) => [name, bytes])).values()].reduce((a, b) => a + b, 0);
        reuseDistances(uses).forEach((distance, i) => {
          expect(distance).toBeGreaterThanOrEqual(uses[i]!.bytes);
          expect(distance).toBeLessThanOrEqual(all);
        });
      }),
    );
  });

  it("do not depend on where the loop is cut", () => {
    fc.assert(
      fc.property(trace, fc.nat(), (uses, cut) => {
        const at = uses.length === 0 ? 0 : cut % uses.length;
        const turned = reuseDistances([...uses.slice(at), ...uses.slice(0, at)]);
        const distances = reuseDistances(uses);
        expect(turned).toEqual([...distances.slice(at), ...distances.slice(0, at)]);
      }),
    );
  });

  it("say exactly what a cache of least recent use misses", () => {
    fc.assert(
      fc.property(trace, fc.integer({ min: 1, max: 80 }), (uses, capacity) => {
        const hits = reuseDistances(uses).map((distance) => distance <= capacity);
        expect(hits).toEqual(simulate(uses, capacity));
      }),
    );
  });
});

/** The hits of a second turn of the loop, by keeping the list of recent things; a cache holds as many of the latest as fit together. */
function simulate(uses: readonly Use[], capacity: number): boolean[] {
  let recent: Use[] = [];
  const turn = () =>
    uses.map((use) => {
      let used = 0;
      const misses = recent.findIndex(({ bytes }) => {
        used += bytes;
        return used > capacity;
      });
      const held = misses < 0 ? recent : recent.slice(0, misses);
      recent = [use, ...recent.filter(({ name }) => name !== use.name)];
      return held.some(({ name }) => name === use.name);
    });
  turn();
  return turn();
}
