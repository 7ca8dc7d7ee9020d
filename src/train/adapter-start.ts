/** What an adapter begins its training with. */
import { createRandom } from "../generate/random.ts";
import { type Adapter, type AdapterPair, adapterScale } from "../model/adapter.ts";
import type { AdapterValues } from "../model/adapter-values.ts";
import type { OnProgress } from "../progress.ts";
import { yieldToEvents } from "../yield.ts";
import { truncatedSvd } from "./truncated-svd.ts";

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

/**
 * What brings plays of a shared block near to the blocks that it stands for (Relaxed Recursive Transformers, Bae et al. 2024,
 * arXiv 2410.20672): of each residual, the original weight less the shared one, the best approximation of the adapter's rank,
 * U S Vᵀ, as B = U S and A = Vᵀ.
 *
 * @param residual row-major [weight.rows, weight.columns]
 */
export async function relaxedValues(
  adapter: Adapter,
  residual: (pair: AdapterPair) => Promise<ArrayLike<number>>,
  {
    onProgress,
    signal,
  }: { readonly onProgress?: OnProgress | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<AdapterValues> {
  const values = new Map<string, Float32Array>();
  const scale = adapterScale(adapter);
  for (const [i, pair] of adapter.pairs.entries()) {
    const { weight, a, b } = pair;
    const most = Math.min(adapter.rank, weight.rows, weight.columns);
    const { u, s, v } = truncatedSvd(await residual(pair), weight.rows, weight.columns, most);
    // Ranks beyond what the matrix has stay zero.
    const left = new Float32Array(b.rows * b.columns);
    const right = new Float32Array(a.rows * a.columns);
    for (let r = 0; r < most; r++) {
      right.set(v[r]!, r * a.columns);
      for (let row = 0; row < b.rows; row++) left[row * b.columns + r] = (u[r]![row]! * s[r]!) / scale;
    }
    values.set(a.name, right).set(b.name, left);
    onProgress?.({ label: "approximating residuals", done: i + 1, total: adapter.pairs.length, unit: "tensors" });
    await yieldToEvents();
    signal?.throwIfAborted();
  }
  return values;
}
