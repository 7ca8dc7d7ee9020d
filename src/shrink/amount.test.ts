import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { readConfig } from "../model/read-config.ts";
import { halves } from "../schedule/edits.ts";
import { identitySteps, type Steps } from "../schedule/schedule.ts";
import { openCheckpoint } from "../weights/open.ts";
import { checkAmount, enough, expectedDrops, fewest, parameterShare } from "./amount.ts";

const config = await openCheckpoint(fixturePath("models/llama-gqa")).then(async (checkpoint) => {
  const config = { ...(await readConfig(checkpoint)), blocks: 8 };
  await checkpoint.close();
  return config;
});
const steps = identitySteps(8);
/** A rule that drops from the front. */
const first = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const shared: Steps = [...steps, ...steps];

describe("an amount", () => {
  it("in steps counts halves for two to a step", () => {
    expect(fewest({ kind: "drop", steps: 3 }, config, steps, first)).toEqual([0, 1, 2]);
    expect(fewest({ kind: "drop", steps: 3 }, config, halves(steps), first, 2)).toHaveLength(6);
    expect(enough({ kind: "drop", steps: 3 }, config, halves(steps), halves(steps).slice(5), 2)).toBe(false);
  });

  it("in parameters is reached by the fewest drops, and counts a shared block until its last use is gone", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.constantFrom(steps, shared), (share, all) => {
        const amount = { kind: "params", share } as const;
        const least = parameterShare(config, all, all.slice(0, 1));
        if (share < least) {
          expect(() => fewest(amount, config, all, first)).toThrow(expect.objectContaining({ code: "params-share" }));
          return;
        }
        const count = fewest(amount, config, all, first).length;
        expect(parameterShare(config, all, all.slice(count))).toBeLessThanOrEqual(share);
        expect(parameterShare(config, all, all.slice(count - 1))).toBeGreaterThan(share);
        if (all === steps) expect(expectedDrops(amount, config, all)).toBe(count);
      }),
    );
  });

  it.each([
    [{ kind: "drop", steps: 8 }, 1, "cannot drop 8 of the 8 steps", "from 1 to 7"],
    [{ kind: "drop", steps: 1.5 }, 1, "cannot drop 1.5", "from 1 to 7"],
    [
      { kind: "params", share: 0.001 },
      1,
      "cannot keep 0.001 of the parameters by dropping steps",
      "Give a share from 0.",
    ],
    [{ kind: "params", share: 0.001 }, 2, "by dropping halves", "Give a share from 0."],
  ] as const)("%o is refused where nothing reaches it, with what would do", (amount, unit, message, help) => {
    const entries = unit === 1 ? steps : halves(steps);
    const check = () => checkAmount(amount, config, entries, unit);
    expect(check).toThrow(message);
    expect(check).toThrow(expect.objectContaining({ kind: "input", help: expect.stringContaining(help) }));
  });

  it("that a method keeps the wrong step for is refused", () => {
    const uneven: Steps = [
      { block: 0, part: "attention" },
      { block: 1, part: "block" },
    ];
    const share = parameterShare(config, uneven, uneven.slice(0, 1));
    const choose = () => fewest({ kind: "params", share }, config, uneven, first);
    expect(choose).toThrow("the step that it keeps to the end is too large");
  });
});
