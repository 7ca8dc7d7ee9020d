import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { workingSets } from "./bandwidth.ts";
import { bandwidthAt, levels } from "./curve.ts";

const KB = 2 ** 10;
const MB = 2 ** 20;

/** A machine with caches of 48 kB and 1 MB, at 200, 100 and 20 GB/s. */
const steps = workingSets(64 * MB).map((bytes) => ({
  bytes,
  bytesPerSecond: bytes <= 48 * KB ? 200e9 : bytes <= MB ? 100e9 : 20e9,
}));

const curves = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 1e9 }), fc.double({ min: 1e6, max: 1e12, noNaN: true })), {
    selector: ([bytes]) => bytes,
    minLength: 1,
    maxLength: 30,
  })
  .map((points) => points.sort(([a], [b]) => a - b).map(([bytes, bytesPerSecond]) => ({ bytes, bytesPerSecond })));

describe("bandwidth between points", () => {
  it("is what was measured at a point, and level beyond both ends", () => {
    fc.assert(
      fc.property(curves, (curve) => {
        for (const { bytes, bytesPerSecond } of curve) {
          expect(bandwidthAt(curve, bytes) / bytesPerSecond).toBeCloseTo(1, 9);
        }
        expect(bandwidthAt(curve, 0.5)).toBe(curve[0]!.bytesPerSecond);
        expect(bandwidthAt(curve, 2e9)).toBe(curve.at(-1)!.bytesPerSecond);
      }),
    );
  });

  it("lies between its neighbours", () => {
    fc.assert(
      fc.property(curves, fc.double({ min: 1, max: 1e9, noNaN: true }), (curve, bytes) => {
        const speeds = curve.map((point) => point.bytesPerSecond);
        const value = bandwidthAt(curve, bytes);
        expect(value).toBeGreaterThanOrEqual(Math.min(...speeds) * (1 - 1e-9));
        expect(value).toBeLessThanOrEqual(Math.max(...speeds) * (1 + 1e-9));
      }),
    );
  });
});

describe("levels", () => {
  it("are where the steps are", () => {
    expect(levels(steps)).toEqual([
      { bytes: 48 * KB, bytesPerSecond: 200e9 },
      { bytes: MB, bytesPerSecond: 100e9 },
      { bytes: undefined, bytesPerSecond: 20e9 },
    ]);
  });

  it("are not made of a slope or a hiccup", () => {
    const bumpy = steps.map((point) => ({
      ...point,
      bytesPerSecond: point.bytes === 1.5 * MB ? 60e9 : point.bytes === 8 * MB ? 14e9 : point.bytesPerSecond,
    }));
    expect(levels(bumpy).map(({ bytes }) => bytes)).toEqual([48 * KB, MB, undefined]);
  });

  it("is one where all is equally fast", () => {
    const flat = steps.map(({ bytes }) => ({ bytes, bytesPerSecond: 5e9 }));
    expect(levels(flat)).toEqual([{ bytes: undefined, bytesPerSecond: 5e9 }]);
  });

  it("always end in memory", () => {
    fc.assert(
      fc.property(curves, (curve) => {
        const found = levels(curve).map(({ bytes }) => bytes);
        expect(found.indexOf(undefined)).toBe(found.length - 1);
      }),
    );
  });
});

it("measures two sizes for each doubling", () => {
  expect(workingSets(128 * KB).map((bytes) => bytes / KB)).toEqual([16, 24, 32, 48, 64, 96, 128]);
});
