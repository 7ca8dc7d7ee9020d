import { describe, expect, it } from "vitest";
import { Divergence } from "./divergence.ts";

/** What was said, and at which of the losses. */
function seen(losses: Iterable<number>): string {
  const divergence = new Divergence();
  let step = 0;
  for (const loss of losses) {
    const problem = divergence.see(loss);
    if (problem !== undefined) return `${step}: ${problem}`;
    step++;
  }
  return "";
}

const falling = Array.from({ length: 300 }, (_, i) => 2 + 4 * Math.exp(-i / 40));

describe("divergence", () => {
  it("is not a loss that falls, noisily or to nothing", () => {
    expect(seen(falling.map((loss, i) => loss + (i % 7 === 0 ? 0.9 : -0.1)))).toBe("");
    expect(seen(falling.map((loss) => loss / 1000))).toBe("");
  });

  it("is not a batch that is hard by itself", () => {
    expect(seen([...falling, 9, 2, 2, 8, 2, 2])).toBe("");
  });

  it("is a loss that is no number, at once", () => {
    expect(seen([3, Number.NaN])).toBe("1: the loss is NaN");
    expect(seen([3, Number.POSITIVE_INFINITY])).toBe("1: the loss is Infinity");
  });

  it("is a loss that rises above its beginning and stays there", () => {
    expect(seen(Array.from({ length: 60 }, (_, i) => 6 + i / 10))).toMatch(
      /^\d+: the loss rose to 7\.\d+, 6\.00 at the beginning/,
    );
  });

  it("is a loss that had become good and is so no more", () => {
    expect(seen([...falling, ...Array<number>(60).fill(5.5)])).toMatch(
      /^3\d\d: the loss rose to 4\.\d+, 6\.00 at the beginning and 2\.0\d at best/,
    );
  });
});
