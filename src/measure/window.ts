/** Windows that a text is read in. */
import { inputError } from "../errors.ts";
import type { Model } from "../refrain.ts";

/** Throws `window` where the model cannot read so many tokens at once, or where they are too few. */
export function checkWindow({ config }: Pick<Model, "config">, window: number): void {
  if (Number.isInteger(window) && window >= 2 && window <= config.contextLength) return;
  throw inputError(
    "window",
    `window: expected a whole number from 2 to ${config.contextLength} tokens, got ${window}`,
    `A window cannot be longer than the context of the model, ${config.contextLength} tokens.`,
  );
}
