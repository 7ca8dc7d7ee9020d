import { describe, expect, it } from "vitest";
import { svgToPng } from "./node-png.ts";
import { taskBars } from "./task-bars.ts";
import { lambada, taskResult } from "./task-results.testing.ts";

const occurrences = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].length;
const labels = (svg: string) => [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map((match) => match[1]!);

describe("task bars", () => {
  const models = [
    { name: "before", tasks: [taskResult("PIQA", 0.66, { chance: 0.5 }), lambada(0.3, 40)] },
    { name: "after", tasks: [taskResult("PIQA", 0.6, { chance: 0.5 }), lambada(0, 4e9)] },
  ];

  it("has a bar with a whisker for each model and task, and a line where guessing ends", () => {
    const svg = taskBars({ models });
    expect(occurrences(svg, /<title>(before|after), (PIQA|LAMBADA): /g)).toBe(4);
    expect(svg).toContain("<title>before, PIQA: 66.0 ± 2.0 %</title>");
    // LAMBADA cannot be guessed.
    expect(occurrences(svg, /stroke-dasharray/g)).toBe(1);
    expect(labels(svg)).toEqual(expect.arrayContaining(["PIQA", "LAMBADA", "before", "after", "66.0", "0.0"]));
    expect(svg).toContain("after: PIQA 60.0 ± 2.0 %, LAMBADA 0.0 ± 3.0 %.");
  });

  it("taller is more, in proportion", () => {
    const svg = taskBars({ models });
    const heights = [...svg.matchAll(/height="([\d.]+)" fill="#[0-9a-f]{6}" fill-opacity/g)].map((m) => Number(m[1]));
    expect(heights[0]! / heights[1]!).toBeCloseTo(0.66 / 0.6, 2);
  });

  it.each([1, 3, 6])("of %i models and ten tasks stays inside its frame and can be drawn", async (count) => {
    const tasks = Array.from({ length: 10 }, (_, i) => taskResult(`A task with a long name ${i}`, i / 9));
    const all = Array.from({ length: count }, (_, i) => ({ name: `a model with quite a long name, ${i}`, tasks }));
    const svg = taskBars({ models: all });
    for (const [, x, width] of svg.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)) {
      expect(Number(x) + Number(width)).toBeLessThanOrEqual(1000 - 26);
    }
    expect((await svgToPng(svg, 0.25)).length).toBeGreaterThan(1000);
  });

  it("a single item has no whisker to draw", () => {
    const one = taskResult("PIQA", 1, { items: 1, score: { value: 1, standardError: Number.NaN } });
    expect(taskBars({ models: [{ name: "m", tasks: [one] }] })).not.toContain("NaN");
  });
});
