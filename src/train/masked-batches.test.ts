import { describe, expect, it } from "vitest";
import { newTokenizer } from "../text/new-tokenizer.ts";
import type { BatchSource } from "./batches.ts";
import { maskedBatches, maskedHeldOut, maskingOf } from "./masked-batches.ts";

const tokens = Int32Array.from({ length: 40 }, (_, i) => 1 + i);
const batch = { tokens, targets: tokens.map((token) => token + 1) };
const source: BatchSource = { batch: async () => batch };
const masking = async () => maskingOf(await newTokenizer([], { mask: true }), "tokens");

describe("masked batches", () => {
  it("have masks by seed and number", async () => {
    const at = async (seed: number, index: number) =>
      (await maskedBatches(source, 20, await masking(), seed).batch(index)).targets;
    expect(await at(3, 7)).toEqual(await at(3, 7));
    expect(await at(3, 7)).not.toEqual(await at(3, 8));
    expect(await at(3, 7)).not.toEqual(await at(4, 7));
    // 15 % of each sequence of 20, and what is predicted is what stood there.
    const targets = await at(0, 0);
    expect([...targets].filter((target) => target >= 0)).toHaveLength(6);
    expect([...targets].every((target, i) => target === -1 || target === tokens[i])).toBe(true);
  });

  it("do not predict what fills a window up", async () => {
    const short = { tokens: new Int32Array(20).fill(5), targets: new Int32Array(20).fill(-1) };
    short.targets.fill(5, 0, 3); // the first four tokens are text
    for (let i = 0; i < 20; i++) {
      const held = maskedHeldOut(Array(i + 1).fill(short), 20, await masking()).at(-1)!;
      expect([...held.targets.slice(4)].every((target) => target === -1)).toBe(true);
    }
  });

  it("need a mask", async () => {
    const tokenizer = await newTokenizer();
    expect(() => maskingOf(tokenizer, "spans")).toThrow("no mask_token");
  });
});
