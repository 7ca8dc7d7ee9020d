/** What an adapter begins its training with. */
import { createRandom } from "../generate/random.ts";
import type { Adapter } from "../model/adapter.ts";
import type { AdapterValues } from "../model/adapter-values.ts";

/**
 * What adds nothing yet: B zero, A uniform in ±1 / √inputs, which is what PEFT takes (Kaiming's uniform distribution with
 * a = √5: √(6 / (1 + a²) / inputs)).
 */
export function initialValues(adapter: Adapter, seed: number): AdapterValues {
  const random = createRandom(seed);
  return new Map(
    adapter.pairs.flatMap(({ a, b }) => {
      const bound = 1 / Math.sqrt(a.columns);
      const uniform = Float32Array.from({ length: a.rows * a.columns }, () => (2 * random() - 1) * bound);
      return [[a.name, uniform] as const, [b.name, new Float32Array(b.rows * b.columns)] as const];
    }),
  );
}
