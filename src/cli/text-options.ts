/** Options of the commands that read a text. */
import { inputError } from "../errors.ts";
import { DEFAULT_WINDOWS } from "../measure/observe.ts";
import { angular } from "../shrink/angular.ts";
import { rules } from "../shrink/rules.ts";
import { named } from "./named.ts";
import { integer, text, withDefault } from "./options.ts";

export const textOption = text({ hint: "FILE", description: "the text to measure on, UTF-8" });

export const windowOptions = {
  window: integer({
    hint: "N",
    min: 2,
    max: 1_048_576,
    description: "tokens of a window (default: 64, or what the model's context holds)",
  }),
  windows: withDefault(
    integer({ hint: "N", min: 1, max: 1_000_000, description: "most windows that are read" }),
    DEFAULT_WINDOWS,
  ),
} as const;

export const perplexityOptions = {
  window: integer({
    hint: "N",
    min: 2,
    max: 1_048_576,
    description: "tokens of a window (default: 1024, an encoder 128, or what the model's context holds)",
  }),
  stride: integer({
    hint: "N",
    min: 2,
    max: 1_048_576,
    description: "tokens from one window to the next (default: half a window); not for encoders",
  }),
} as const;

export const tokensOption = integer({
  hint: "N",
  min: 3,
  max: 1_000_000_000,
  description: "read only the first N tokens of the text",
});

export const dropOption = integer({ hint: "N", min: 1, max: 4095, description: "how many steps to drop" });

export const dropOptions = {
  drop: dropOption,
  by: named("rule", rules, angular),
} as const;

/** Throws `option-missing` where a command cannot do without the text. */
export function needText(path: string | undefined, command: string): string {
  if (path !== undefined) return path;
  throw inputError("option-missing", `refrain ${command}: --text FILE is missing`, "Name a UTF-8 text to measure on.");
}
