import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { windowBytes, windowedSource } from "./windowed-source.ts";

/** `size` bytes that are nowhere in memory, and a list of what was fetched. */
function numbers(size: number) {
  const fetched: number[] = [];
  const at = (index: number) => (index * 2654435761) >>> 24;
  const fetch = async (begin: number, end: number) => {
    fetched.push(begin / windowBytes);
    return Uint8Array.from({ length: end - begin }, (_, i) => at(begin + i));
  };
  return { at, fetched, behind: { name: "numbers", size, fetch, close() {} } };
}

describe("windowed source", () => {
  it("gives the bytes asked for, wherever they lie", async () => {
    const size = 2 * windowBytes + 5;
    const { at, behind } = numbers(size);
    const source = windowedSource(behind);
    await fc.assert(
      fc.asyncProperty(fc.nat(size), fc.nat(1000), async (a, length) => {
        const b = Math.min(size, a + length);
        const expected = Array.from({ length: b - a }, (_, i) => at(a + i));
        expect([...(await source.read(a, b))]).toEqual(expected);
      }),
      {
        numRuns: 50,
        examples: [
          [windowBytes - 3, 6],
          [size, 0],
          [2 * windowBytes - 1, 6],
        ],
      },
    );
  });

  it("fetches each window once when it is read from front to back, and one ahead", async () => {
    const { fetched, behind } = numbers(3 * windowBytes);
    const source = windowedSource(behind, await behind.fetch(0, windowBytes));
    await source.read(10, 20);
    expect(fetched).toEqual([0, 1]);
    for (let at = 0; at < 3 * windowBytes; at += windowBytes / 2) await source.read(at, at + windowBytes / 2);
    expect(fetched).toEqual([0, 1, 2]);
  });

  it("asks again for what failed, and lets no failure ahead of need escape", async () => {
    const { behind } = numbers(2 * windowBytes);
    let failures = 2;
    const fetch = async (begin: number, end: number) => {
      if (failures-- > 0) throw new Error("lost");
      return behind.fetch(begin, end);
    };
    const source = windowedSource({ ...behind, fetch });
    await expect(source.read(0, 1)).rejects.toThrow("lost");
    expect((await source.read(windowBytes, windowBytes + 1)).length).toBe(1);
    expect((await source.read(0, 1)).length).toBe(1);
  });

  it("refuses to read past the end", async () => {
    await expect(windowedSource(numbers(10).behind).read(5, 11)).rejects.toThrow(RangeError);
  });
});
