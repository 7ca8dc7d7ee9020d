/** The model that a command works with: loaded as its options say, and put away at the end. */
import { load, type Model } from "../refrain.ts";
import type { CommandContext } from "./define.ts";
import type { modelOptions, ValuesOf } from "./options.ts";

export async function withModel<T>(
  name: string,
  {
    schedule,
    adapter,
    weights,
    cache,
    threads,
    context,
  }: Omit<ValuesOf<typeof modelOptions>, "cache" | "adapter"> &
    Partial<Pick<ValuesOf<typeof modelOptions>, "cache" | "adapter">>,
  { signal, onProgress }: Pick<CommandContext, "signal" | "onProgress">,
  work: (model: Model) => Promise<T>,
): Promise<T> {
  const model = await load(name, {
    schedule,
    adapter,
    weights,
    cache,
    threads,
    contextLength: context,
    signal,
    onProgress,
  });
  try {
    return await work(model);
  } finally {
    await model.dispose();
  }
}
