/** Windows that a method does not learn from, the last ones, so that it can tell what it has learned. */
import { inputError } from "../errors.ts";
import type { Calibration } from "./method.ts";

/** Every eighth, at least one. */
export const heldOutOf = (windows: number): number => Math.max(1, Math.floor(windows / 8));

/** Throws `text-too-short`. */
export function requireHeldOut({ window, windows }: Calibration, method: string): void {
  if (windows > 1) return;
  throw inputError(
    "text-too-short",
    `the text has one window of ${window} tokens: ${method} needs one to learn from and one to judge by`,
    "Give a longer --text, or a shorter --window.",
  );
}
