import fc from "fast-check";
import { expect, it } from "vitest";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
  formatRanges,
  formatRate,
  formatRatio,
  formatShortCount,
  runs,
} from "./format.ts";

it.each([
  [formatCount(124_439_808), "124,439,808"],
  [formatCount(999), "999"],
  [formatCount(-1000), "-1,000"],
  [formatBytes(0), "0 B"],
  [formatBytes(999), "999 B"],
  [formatBytes(1500), "1.5 kB"],
  [formatBytes(269_060_552), "269.1 MB"],
  [formatBytes(999_960), "1.0 MB"],
  [formatBytes(3e18), "3000.0 PB"],
  [formatShortCount(134_515_008), "134.5 M"],
  [formatShortCount(42), "42"],
  [formatPercent(0.310_164), "31.02 %"],
  [formatPercent(0.5, 0), "50 %"],
  [formatRatio(0.734), "0.73×"],
  [formatRatio(72.07), "72.1×"],
  [formatNumber(0), "0"],
  [formatNumber(0.058_321), "0.0583"],
  [formatNumber(12.68), "12.7"],
  [formatNumber(1234.5), "1,235"],
  [formatNumber(-0.5), "-0.500"],
  [formatNumber(Number.NaN), "NaN"],
  [formatRate(19.2, "tok"), "19.2 tok/s"],
  [formatDuration(0.0034), "3.4 ms"],
  [formatDuration(1.24), "1.2 s"],
  [formatDuration(125), "2 min 5 s"],
  [formatDuration(59.97), "1 min 0 s"],
  [formatDuration(11_520), "3 h 12 min"],
  [formatDuration(7199.9), "2 h 0 min"],
  [formatRanges([]), ""],
  [formatRanges([2, 21, 22, 23, 28]), "2, 21–23, 28"],
])("%s is %s", (formatted, expected) => {
  expect(formatted).toBe(expected);
});

it("a count loses no digit", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      expect(Number(formatCount(value).replaceAll(",", ""))).toBe(value);
    }),
  );
});

it("runs hold every index and nothing else, and never touch", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(30)), (numbers) => {
      const indices = numbers.sort((a, b) => a - b);
      const found = runs(indices);
      expect(found.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i))).toEqual(
        indices,
      );
      found.slice(1).forEach(([first], i) => {
        expect(first).toBeGreaterThan(found[i]![1] + 1);
      });
    }),
  );
});
