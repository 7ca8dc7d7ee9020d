import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Graph } from "./graph.ts";
import type { Instruction } from "./instruction.ts";
import type { Parameter } from "./parameter.ts";
import { plan } from "./plan.ts";
import { encode } from "./program.ts";
import { weightReuse } from "./weight-reuse.ts";

/** A matrix of 1,024 columns: a row is 4 kB of f32. */
const matrix = (name: string, megabytes: number): Parameter => ({
  name,
  kind: "matrix",
  rows: 256 * megabytes,
  columns: 1024,
  part: "ffn",
});

const reading = (parameter: Parameter, kernel = "linearF32"): Instruction => ({
  kernel,
  tail: false,
  words: [0, { parameter }],
  reads: [],
  writes: [],
});

/** Letters are matrices; what each is to its reader: n(ear), s(oon) or neither. */
function reuse(schedule: string, megabytes: number): string {
  const found = weightReuse(
    [...schedule].map((name) => reading(matrix(name, megabytes))),
    () => "f32",
  );
  return [...schedule].map((_, i) => found.get(i)?.[0] ?? "-").join("");
}

describe("the reuse of weights", () => {
  it.each([
    ["is nothing where each is played once", "abc", 12, "---"],
    ["is near where all fit into a cache", "abc", 6, "nnn"],
    ["is soon, then near, where each is played twice", "aabbcc", 12, "snsnsn"],
    ["is soon once, however often it is near", "aaabbb", 12, "snnsnn"],
    ["looks past what is played between", "ababcdcd", 9, "ssnnssnn"],
    ["is nothing where too much is played between", "ababcdcd", 12, "--------"],
    ["is nothing where a matrix is larger than a cache", "aabb", 24, "----"],
    ["is only near where a cache keeps them without help", "aabbccddeeff", 4, "-n-n-n-n-n-n"],
    ["goes round: what is played last and first is near at the first", "abca", 12, "n--s"],
  ])("%s", (_, schedule, megabytes, expected) => {
    expect(reuse(schedule, megabytes)).toBe(expected);
  });

  it("counts neither rows that are looked up nor vectors", () => {
    const table = matrix("table", 12);
    const vector: Parameter = { ...matrix("vector", 1), kind: "vector", rows: 1 };
    const instructions = [reading(table, "embed"), reading(table), reading(vector), reading(matrix("a", 12))];
    expect(weightReuse(instructions, () => "f32").size).toBe(0);
  });

  it("is told to f32 products only; the others' weights take their place in a cache all the same", () => {
    const [a, b] = [matrix("a", 12), matrix("b", 24)];
    const instructions = [reading(a), reading(b, "linearF16"), reading(b, "linearF16"), reading(a)];
    const found = weightReuse(instructions, ({ name }) => (name === "b" ? "f16" : "f32"));
    expect([...found]).toEqual([
      [3, "soon"],
      [0, "near"],
    ]);
  });

  it("reaches the kernels as a flag of their instructions", () => {
    const g = new Graph();
    let x = g.input("x", 1792);
    for (const name of ["a", "a", "b", "b"]) x = g.linear(x, { ...matrix(name, 1), rows: 1792, columns: 1792 });
    g.output("y", x);
    const planned = plan(g, () => "f32", { maxRows: 1, tailRows: 1, context: 1, threads: 2 });
    const addresses = { activations: 0, caches: 0, scratch: 0, panels: 0, tokens: 0, targets: 0 };
    const words = encode(planned, { ...addresses, parameter: () => 0, table: () => 0 }, () => 0);
    const flags = planned.instructions.map((_, i) => words[16 * (i + 1) + 1]! & (64 | 128));
    expect(flags).toEqual([128, 64, 128, 64]);
  });

  it("does not depend on where the loop is cut", () => {
    const schedules = fc.array(fc.constantFrom(..."abcdefgh"), { minLength: 1, maxLength: 24 });
    fc.assert(
      fc.property(schedules, fc.integer({ min: 1, max: 12 }), fc.nat(23), (names, megabytes, n) => {
        const cut = n % names.length;
        const turn = (text: string) => text.slice(cut) + text.slice(0, cut);
        expect(reuse(turn(names.join("")), megabytes)).toBe(turn(reuse(names.join(""), megabytes)));
      }),
    );
  });

  it("is soon only before near", () => {
    const schedules = fc.array(fc.constantFrom(..."abcdefgh"), { minLength: 1, maxLength: 24 });
    fc.assert(
      fc.property(schedules, fc.integer({ min: 1, max: 12 }), (names, megabytes) => {
        const found = reuse(names.join(""), megabytes);
        const next = (i: number) =>
          [...names.keys()].map((d) => (i + d + 1) % names.length).find((j) => names[j] === names[i])!;
        names.forEach((_, i) => {
          if (found[i] === "s") expect(found[next(i)]).toBe("n");
        });
      }),
    );
  });
});
