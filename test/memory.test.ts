/** Loading streams weights into place: the peak of a process stays within the weights, 15 % and 100 MB. */
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { smolLM2Path } from "./data.ts";

const model = smolLM2Path();

describe.skipIf(model === undefined)("peak memory (needs npm run fetch-models, and the build)", () => {
  for (const type of ["file", "q8"]) {
    it(`SmolLM2-135M, ${type}`, () => {
      const script = resolve(import.meta.dirname, "../bench/memory.mjs");
      const said = execFileSync(process.execPath, [script, model!, type]).toString();
      const [, peak, bound] = /(\d+) MB with the weights \(weights \+ 15 % \+ 100 MB: (\d+) MB\)/.exec(said)!;
      expect(Number(peak)).toBeLessThanOrEqual(Number(bound));
    });
  }
});
