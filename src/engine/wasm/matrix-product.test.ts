import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { everyPlayer, type NamedPlayer } from "./builds.testing.ts";
import { plainProduct } from "./matrix-product.testing.ts";
import { matrixProduct } from "./matrix-product.ts";

let players: NamedPlayer[];
beforeAll(async () => {
  players = await everyPlayer();
});
afterAll(async () => {
  await Promise.all(players.map(({ player }) => player.close()));
});

const size = fc.integer({ min: 1, max: 19 });
const numbers = (length: number) =>
  fc
    .array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: length, maxLength: length })
    .map((all) => Float64Array.from(all));
const factors = fc
  .tuple(size, size, size)
  .chain(([rows, inner, columns]) =>
    fc.tuple(numbers(rows * inner), numbers(inner * columns), fc.constant(inner), fc.constant(columns)),
  );

describe("products of float64 matrices", () => {
  it("are what the definition says, in every build and with every number of threads", () => {
    fc.assert(
      fc.property(factors, ([a, b, inner, columns]) => {
        const expected = plainProduct(a, b, inner, columns);
        for (const { name, player } of players) {
          const found = matrixProduct(player)(a, b, inner, columns);
          expect(found).toHaveLength(expected.length);
          // Fused or not: an error of a rounding for each of at most 19 products of at most 4.
          for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i]!), name).toBeLessThan(1e-14);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("are the same bits with any number of threads, and take their memory back", () => {
    const [rows, inner, columns] = [37, 130, 70];
    const a = Float64Array.from({ length: rows * inner }, (_, i) => Math.sin(i));
    const b = Float64Array.from({ length: inner * columns }, (_, i) => Math.cos(i * i));
    const relaxed = players.filter(({ name }) => name.startsWith("relaxed") || name.startsWith("dot"));
    const [first] = relaxed.map(({ player }) => matrixProduct(player)(a, b, inner, columns));
    for (const { name, player } of relaxed) {
      const before = player.allocate(64, "a probe");
      player.free(before);
      expect(matrixProduct(player)(a, b, inner, columns), name).toEqual(first);
      expect(player.allocate(64, "a probe")).toBe(before);
      player.free(before);
    }
  });

  it("refuse matrices that do not fit each other", () => {
    const multiply = matrixProduct(players[0]!.player);
    expect(() => multiply(new Float64Array(6), new Float64Array(5), 3, 2)).toThrow(
      "6 and 5 numbers are no [?, 3] and [3, 2]",
    );
    expect(() => multiply(new Float64Array(7), new Float64Array(6), 3, 2)).toThrow("7 and 6 numbers");
  });
});
