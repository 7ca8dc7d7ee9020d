import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { groupAddress, layOutStreams, shareTable } from "./streams.ts";

describe("streams", () => {
  it("follow each other thread by thread, a thread's matrices without a gap", () => {
    const matrices = [
      { groups: 6, groupBytes: 96 },
      { groups: 2, groupBytes: 32 },
    ];
    // Blocks of two groups: of three the first thread has one; the only one of the second matrix is the second thread's.
    const { shares, bytes } = layOutStreams(matrices, 2, 1024);
    expect(shares[0]).toEqual([
      { end: 2, base: 1024 },
      { end: 6, base: 1216 - 2 * 96 },
    ]);
    expect(shares[1]).toEqual([
      { end: 0, base: 1216 },
      { end: 2, base: 1216 + 4 * 96 },
    ]);
    expect(bytes).toBe(192 + 448);
    expect(shareTable(shares[0]!)).toEqual([2, 2, 1024, 6, 1024]);
  });

  it("hold every group once, whatever the shapes and the threads", () => {
    const matrix = fc.record({
      groups: fc.integer({ min: 1, max: 40 }).map((blocks) => 2 * blocks),
      groupBytes: fc.integer({ min: 1, max: 20 }).map((n) => 32 * n),
    });
    fc.assert(
      fc.property(fc.array(matrix, { maxLength: 12 }), fc.integer({ min: 1, max: 8 }), (matrices, threads) => {
        const { shares, bytes } = layOutStreams(matrices, threads, 64);
        const taken = matrices.flatMap(({ groups, groupBytes }, i) =>
          Array.from({ length: groups }, (_, g) => {
            const begin = groupAddress(shares[i]!, g, groupBytes);
            return { begin, end: begin + groupBytes };
          }),
        );
        taken.sort((a, b) => a.begin - b.begin);
        taken.forEach(({ begin }, i) => {
          expect(begin).toBeGreaterThanOrEqual(i === 0 ? 64 : taken[i - 1]!.end);
        });
        const all = matrices.reduce((sum, { groups, groupBytes }) => sum + groups * groupBytes, 0);
        expect(taken.at(-1)?.end ?? 64).toBeLessThanOrEqual(64 + bytes);
        expect(bytes).toBeLessThan(all + 64 * threads + 1);
      }),
    );
  });
});
