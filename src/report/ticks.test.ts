import fc from "fast-check";
import { expect, it } from "vitest";
import { inkOn, paleViridis, SERIES, viridis } from "./color.ts";
import { labelEvery, linearTicks, logTicks } from "./ticks.ts";

it("linear ticks are round and inside", () => {
  expect(linearTicks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(linearTicks(0.05, 0.55, 6)).toEqual([0.1, 0.2, 0.3, 0.4, 0.5]);
  expect(linearTicks(3, 3, 5)).toEqual([3]);
  fc.assert(
    fc.property(
      fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
      (min, length) => {
        const ticks = linearTicks(min, min + length, 6);
        expect(ticks.length).toBeGreaterThanOrEqual(2);
        expect(ticks.length).toBeLessThanOrEqual(8);
        const slack = length * 1e-6;
        expect(ticks.every((tick) => tick >= min - slack && tick <= min + length + slack)).toBe(true);
      },
    ),
  );
});

it("logarithmic ticks: 1, 2, 5 of each power, only powers over a wide range", () => {
  expect(logTicks(0.02, 1.3)).toEqual([0.02, 0.05, 0.1, 0.2, 0.5, 1]);
  expect(logTicks(1e-5, 1)).toEqual([1e-5, 1e-4, 1e-3, 0.01, 0.1, 1]);
});

it("labels are thinned until they fit, in round steps", () => {
  expect(labelEvery(30, 24)).toBe(1);
  expect(labelEvery(11.25, 24)).toBe(5);
  expect(labelEvery(8, 16)).toBe(2);
});

/** Contrast of two colors, 1…21 (WCAG 2). */
function contrast(a: string, b: string): number {
  const luminance = (color: string) => {
    const [r, g, blue] = [1, 3, 5].map((i) => {
      const share = Number.parseInt(color.slice(i, i + 2), 16) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * blue!;
  };
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light! + 0.05) / (dark! + 0.05);
}

it("values can be read on every color of the scale, dark text on every pale one", () => {
  expect([viridis(0), viridis(1), viridis(-1), viridis(2)]).toEqual(["#440154", "#fde725", "#440154", "#fde725"]);
  for (let i = 0; i <= 1000; i++) {
    expect(contrast(viridis(i / 1000), inkOn(i / 1000))).toBeGreaterThan(4.5);
    expect(contrast(paleViridis(i / 1000), "#1d2129")).toBeGreaterThan(4.5);
  }
});

it("lines of a chart stand out from the paper", () => {
  for (const color of SERIES) expect(contrast(color, "#ffffff")).toBeGreaterThan(4.5);
});
