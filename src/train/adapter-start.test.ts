import { describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { createRandom } from "../generate/random.ts";
import { type Adapter, adapterScale, createAdapter } from "../model/adapter.ts";
import type { AdapterValues } from "../model/adapter-values.ts";
import { readConfig } from "../model/read-config.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { openCheckpoint } from "../weights/open.ts";
import { initialValues, relaxedValues } from "./adapter-start.ts";

async function adapterOf(rank: number, schedule: string): Promise<Adapter> {
  const checkpoint = await openCheckpoint(fixturePath("models/llama-gqa"));
  const config = await readConfig(checkpoint);
  await checkpoint.close();
  const steps = expand(parseSchedule(schedule));
  return createAdapter(config, steps, { rank, alpha: 2 * rank, modules: "all", perStep: true });
}

/** s · B A of a pair. */
function added(adapter: Adapter, values: AdapterValues, at: number): number[] {
  const { a, b, weight } = adapter.pairs[at]!;
  const [right, left] = [values.get(a.name)!, values.get(b.name)!];
  return Array.from({ length: weight.rows * weight.columns }, (_, i) => {
    let sum = 0;
    for (let r = 0; r < a.rows; r++) {
      sum += left[Math.floor(i / a.columns) * a.rows + r]! * right[r * a.columns + (i % a.columns)]!;
    }
    return adapterScale(adapter) * sum;
  });
}

describe("relaxed sharing", () => {
  it("full rank gives back the weights that each play stood for", async () => {
    const adapter = await adapterOf(64, "0x3");
    expect(adapter.pairs.length).toBe(21);
    const random = createRandom(4);
    const residuals = adapter.pairs.map(({ weight }) =>
      Float32Array.from({ length: weight.rows * weight.columns }, () => random() - 0.5),
    );
    const values = await relaxedValues(adapter, async (pair) => residuals[adapter.pairs.indexOf(pair)]!);
    for (const [i, residual] of residuals.entries()) {
      const error = added(adapter, values, i).reduce((most, v, j) => Math.max(most, Math.abs(v - residual[j]!)), 0);
      expect(error).toBeLessThan(1e-5);
    }
  });

  it("can be stopped", async () => {
    const adapter = await adapterOf(2, "0x3");
    const signal = AbortSignal.abort();
    await expect(
      relaxedValues(adapter, async ({ weight }) => new Float32Array(weight.rows * weight.columns), { signal }),
    ).rejects.toThrow();
  });
});

it("an adapter begins as PEFT's do: nothing added, A within 1 / √inputs, the same for a seed", async () => {
  const adapter = await adapterOf(4, "0 1");
  const values = initialValues(adapter, 7);
  expect(initialValues(adapter, 7)).toEqual(values);
  expect(initialValues(adapter, 8)).not.toEqual(values);
  for (const { a, b } of adapter.pairs) {
    expect(values.get(b.name)!.every((v) => v === 0)).toBe(true);
    const most = values.get(a.name)!.reduce((largest, v) => Math.max(largest, Math.abs(v)), 0);
    expect(most).toBeLessThan(1 / Math.sqrt(a.columns));
    expect(most).toBeGreaterThan(0.8 / Math.sqrt(a.columns));
  }
});
