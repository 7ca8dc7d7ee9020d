import fc from "fast-check";
import { expect, it } from "vitest";
import { descending, greatest } from "./descending.ts";

/** Few different values, so that there are equals. */
const values = fc.array(fc.constantFrom(-Infinity, -2, -0.5, 0, 1, 7), { minLength: 1, maxLength: 60 });
const sorted = (list: readonly number[]) =>
  [...list.keys()].sort((a, b) => (list[b]! > list[a]! ? 1 : list[b]! < list[a]! ? -1 : a - b));

it("both give a beginning of what a sort gives", () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 1, max: 70 }), (list, count) => {
      const floats = Float64Array.from(list);
      const ids = Int32Array.from(list.keys());
      expect([...descending(floats, ids)]).toEqual(sorted(list));
      expect([...greatest(floats, count, new Int32Array(70))]).toEqual(sorted(list).slice(0, count));
    }),
  );
});
