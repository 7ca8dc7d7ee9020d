/** The pictures, by what stands in them; every one is also drawn by resvg, which refuses what is not well-formed. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { identitySteps } from "../schedule/schedule.ts";
import { bars } from "./bars.ts";
import { heatMap } from "./heatmap.ts";
import { lines } from "./lines.ts";
import { svgToPng } from "./node-png.ts";
import { strips } from "./strip.ts";

const text = { name: "wiki.test.raw", tokens: 2048, windows: 8 };

/** A triangle of distances whose least of each length is where `least` says. */
function triangle(steps: number, least: (n: number) => number): number[][] {
  return Array.from({ length: steps }, (_, i) =>
    Array.from({ length: steps - i }, (_, l) => (l === least(i + 1) ? 0.1 : 0.2 + 0.01 * l)),
  );
}

function occurrences(svg: string, pattern: RegExp): number {
  return [...svg.matchAll(pattern)].length;
}

/** All text that is drawn, without titles and descriptions. */
function labels(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((match) => match[1]!);
}

describe("heat map", () => {
  const svg = heatMap({ model: "m", text, angular: triangle(30, (n) => Math.min(21, 30 - n)), dropped: [21, 22, 23] });

  it("has a cell for every block, which says its layers and its distance", () => {
    expect(occurrences(svg, /<title>layers? \d+(–\d+)?: 0\.\d{4}<\/title>/g)).toBe((30 * 31) / 2);
    expect(svg).toContain("<title>layers 21–23: 0.1000</title>");
    expect(svg).toContain("<title>layers 0–29: 0.1000</title>");
    expect(svg).toContain("<title>layer 29: ");
  });

  it("says which layers to drop, once at the axis and once in the legend", () => {
    expect(labels(svg)).toContain("drop 21–23");
    expect(labels(svg)).toContain("drop layers 21–23 (3 of 30): 0.100");
  });

  it("marks the least of every length, and in the legend what the mark means", () => {
    expect(occurrences(svg, /<circle /g)).toBe(30 + 1);
  });

  it("names model, text and size of the sample, and describes itself", () => {
    expect(svg).toContain("<title>Which layers would m miss least?</title>");
    expect(svg).toContain("wiki.test.raw, 2,048 tokens in 8 windows");
    expect(svg).toMatch(/<desc>.*3: layers 21–23 \(0\.100\).*Dropped: 21–23\.<\/desc>/);
  });

  it("of equals marks the deepest, as the choice does", () => {
    const equal = heatMap({ model: "m", text, angular: [[0.2, 0.2], [0.3]] });
    expect(equal).toContain("1: layer 1 (0.200)");
  });

  it("prints values where they have room", () => {
    const values = (steps: number) =>
      labels(heatMap({ model: "m", text, angular: triangle(steps, () => 0) })).filter((l) => /^0\.\d{3}$/.test(l))
        .length;
    expect(values(16)).toBe((16 * 17) / 2);
    expect(values(17)).toBe(0);
  });

  it("steps dropped one by one are marked, though no cell stands for them", () => {
    const one = heatMap({ model: "m", text, angular: triangle(8, () => 0), dropped: [2, 5, 6] });
    expect(labels(one)).toContain("drop layers 2, 5–6");
    expect(one).not.toContain('fill="none" stroke="#c0221a"');
  });

  it.each([1, 2, 4, 5, 16, 17, 40, 41, 80])("of %i layers stays inside its frame", async (steps) => {
    const drawn = heatMap({ model: "m", text, angular: triangle(steps, () => 0), dropped: [steps - 1] });
    const height = Number(/height="(\d+(\.\d+)?)" viewBox/.exec(drawn)![1]);
    expect(height).toBeLessThan(760);
    for (const [, x, width] of drawn.matchAll(/<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"/g)) {
      expect(Number(x) + Number(width)).toBeLessThanOrEqual(1000 - 26);
    }
    expect((await svgToPng(drawn, 0.25)).length).toBeGreaterThan(1000);
  });
});

describe("bars", () => {
  it("has one bar a step, hatched where it is dropped, with whiskers where errors are known", () => {
    const svg = bars({ model: "m", text, influence: [0.9, 0.02, 0.3], errors: [0.01, 0.001, 0.01], dropped: [1] });
    expect(occurrences(svg, /<title>layer \d: /g)).toBe(3);
    expect(occurrences(svg, /fill="url\(#hatch\)"/g)).toBe(1);
    expect(labels(svg)).toEqual(expect.arrayContaining(["0.90", "0.020", "0.30", "drop 1"]));
    expect(svg).toContain("From least to most: layer 1 0.0200, layer 2 0.300, layer 0 0.900. Dropped: 1.");
  });

  it("taller is more", () => {
    const svg = bars({ model: "m", text, influence: [0.9, 0.02, 0.3] });
    const heights = [...svg.matchAll(/height="([\d.]+)" fill="#31688e"/g)].map((match) => Number(match[1]));
    expect(heights[0]).toBeGreaterThan(heights[2]!);
    expect(heights[2]).toBeGreaterThan(heights[1]!);
  });

  it("a step that changes nothing is drawn, as is a model of nothing else", async () => {
    expect(await svgToPng(bars({ model: "m", text, influence: [0, 0.5] }))).toBeDefined();
    expect(await svgToPng(bars({ model: "m", text, influence: [0, 0], errors: [0, 0] }))).toBeDefined();
  });
});

describe("strips", () => {
  const block = (number: number) => ({ block: number, part: "block" as const });

  it("counts what is played, brackets repeats, strikes through what is dropped", () => {
    const svg = strips({
      title: "t",
      strips: [
        { name: "before", schedule: "0-3", steps: identitySteps(4) },
        { name: "dropped", schedule: "0 3", steps: identitySteps(4), dropped: [1, 2] },
        { name: "shared", schedule: "each(0-1)x2 2", steps: [0, 0, 1, 1, 2].map(block) },
      ],
    });
    expect(labels(svg)).toEqual(
      expect.arrayContaining(["4 layers from 4 blocks", "2 layers from 2 blocks, 2 dropped", "5 layers from 3 blocks"]),
    );
    expect(labels(svg).filter((text) => text === "×2")).toHaveLength(2);
    expect(occurrences(svg, /plays \d \(dropped\)/g)).toBe(2);
    expect(svg).toContain("dropped: 0 3, 2 layers, without layers 1–2.");
  });

  it("the bracket of a run does not count what is dropped out of it", () => {
    const steps = [0, 0, 0].map(block);
    const svg = (dropped: number[]) => strips({ title: "t", strips: [{ name: "s", schedule: "", steps, dropped }] });
    expect(labels(svg([1]))).toContain("×2");
    expect(labels(svg([0, 1])).some((text) => text.startsWith("×"))).toBe(false);
  });

  it("equal blocks have equal colors; a half is half as high", () => {
    const svg = strips({
      title: "t",
      strips: [
        { name: "s", schedule: "0 1 0", steps: [0, 1, 0].map(block) },
        {
          name: "h",
          schedule: "a1 f0",
          steps: [
            { block: 1, part: "attention" },
            { block: 0, part: "ffn" },
          ],
        },
      ],
    });
    const cells = [...svg.matchAll(/height="([\d.]+)" fill="(#\w+)" stroke[^>]*><title>layer \d plays (\w+)</g)];
    const seen = cells.map(([, height, color, played]) => ({ height, color, played }));
    expect(seen.map(({ played }) => played)).toEqual(["0", "1", "0", "a1", "f0"]);
    expect(seen[0]).toEqual(seen[2]);
    expect(seen[0]!.color).toBe(seen[4]!.color);
    expect(seen[0]!.color).not.toBe(seen[1]!.color);
    expect(seen.map(({ height }) => height)).toEqual(["29", "29", "29", "14", "14"]);
  });

  it("a long schedule goes on in the next row, and its height is in the frame", async () => {
    const svg = strips({ title: "t", strips: [{ name: "s", schedule: "0-89", steps: identitySteps(90) }] });
    const tops = new Set([...svg.matchAll(/y="([\d.]+)"[^>]*><title>layer/g)].map((match) => match[1]));
    expect(tops.size).toBe(3);
    expect(await svgToPng(svg)).toBeDefined();
  });
});

describe("lines", () => {
  const chart = { title: "t", subtitle: "s", x: "layers dropped", y: "perplexity" };

  it("a curve has a point for each pair, and a gap where there is none", () => {
    const svg = lines({
      ...chart,
      series: [
        {
          name: "a",
          points: [
            [0, 10],
            [1, 20],
            [2, Number.NaN],
            [3, 40],
            [4, 30],
          ],
        },
        { name: "b", points: [[0, 5]] },
      ],
    });
    const paths = [...svg.matchAll(/<path d="([ML\d. ]+)" fill="none"/g)].map((match) => match[1]!);
    expect(paths.map((path) => path.replace(/[^ML]/g, ""))).toEqual(["MLML", "M"]);
    expect(labels(svg)).toEqual(expect.arrayContaining(["a", "b", "layers dropped", "perplexity"]));
  });

  it.each([
    ["no series", []],
    ["an empty series", [{ name: "a", points: [] }]],
    ["one point", [{ name: "a", points: [[1, 1] as const] }]],
    ["one value", [{ name: "a", points: [[0, 0] as const, [1, 0] as const] }]],
  ])("%s can be drawn", async (_, series) => {
    expect(await svgToPng(lines({ ...chart, series }))).toBeDefined();
  });
});

it("no name breaks a picture", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 60 }), async (name) => {
      const svgs = [
        heatMap({ model: name, text: { ...text, name }, angular: triangle(3, () => 0), dropped: [1] }),
        bars({ model: name, text: { ...text, name }, influence: [0.1, 0.2, 0.3] }),
        strips({ title: name, strips: [{ name, schedule: name, steps: identitySteps(3) }] }),
        lines({
          title: name,
          subtitle: name,
          x: name,
          y: name,
          series: [
            {
              name,
              points: [
                [0, 1],
                [1, 2],
              ],
            },
          ],
        }),
      ];
      for (const svg of svgs) expect((await svgToPng(svg, 0.1)).length).toBeGreaterThan(0);
    }),
    { numRuns: 25 },
  );
});
