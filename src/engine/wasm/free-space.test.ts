import * as fc from "fast-check";
import { expect, it } from "vitest";
import { freeSpace } from "./free-space.ts";

it("gives aligned regions that never overlap, and takes them back", () => {
  const action = fc.oneof(fc.record({ take: fc.integer({ min: 0, max: 5000 }) }), fc.record({ give: fc.nat(30) }));
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const space = freeSpace(128, 40_000);
      const taken: { at: number; bytes: number }[] = [];
      for (const step of actions) {
        if ("take" in step) {
          const at = space.take(step.take);
          if (at === undefined) continue;
          expect(at % 64).toBe(0);
          expect(at).toBeGreaterThanOrEqual(128);
          expect(at + step.take).toBeLessThanOrEqual(40_000);
          for (const other of taken) {
            expect(at + step.take <= other.at || other.at + other.bytes <= at).toBe(true);
          }
          taken.push({ at, bytes: step.take });
        } else if (taken.length > 0) {
          space.give(taken.splice(step.give % taken.length, 1)[0]!.at);
        }
      }
      for (const { at } of taken) space.give(at);
      expect(space.used).toBe(0);
      expect(space.take(39_000)).toBe(128);
    }),
  );
});

it("says when nothing fits", () => {
  const space = freeSpace(0, 1024);
  expect(space.take(2000)).toBeUndefined();
  expect(space.take(1024)).toBe(0);
  expect(space.take(1)).toBeUndefined();
});
