/** Options of the commands that read a text. */
import { inputError } from "../errors.ts";
import { DEFAULT_WINDOWS } from "../measure/observe.ts";
import { nearest } from "../nearest.ts";
import { angular } from "../shrink/angular.ts";
import type { Method } from "../shrink/method.ts";
import { methods } from "../shrink/methods.ts";
import { integer, type Option, text, withDefault } from "./options.ts";

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
    description: "tokens of a window (default: 1024, or what the model's context holds)",
  }),
  stride: integer({
    hint: "N",
    min: 2,
    max: 1_048_576,
    description: "tokens from one window to the next (default: half a window)",
  }),
} as const;

export const tokensOption = integer({
  hint: "N",
  min: 3,
  max: 1_000_000_000,
  description: "read only the first N tokens of the text",
});

const names = methods.map(({ name }) => name);

/** `--by METHOD` */
const by: Option<Method> = {
  arg: {
    type: "string",
    valueHint: names.join("|"),
    description: `${methods.map(({ name, description }) => `${name}: ${description}`).join("; ")} (default ${angular.name})`,
  },
  read: (raw, shown) => {
    if (raw === undefined) return angular;
    const found = methods.find(({ name }) => name === raw);
    if (found) return found;
    const meant = nearest(String(raw), names);
    const help = `${meant ? `Did you mean ${meant}? ` : ""}The methods are ${names.join(", ")}.`;
    throw inputError("option-value", `${shown}: no method is called "${raw}"`, help);
  },
};

export const dropOptions = {
  drop: integer({ hint: "N", min: 1, max: 4095, description: "how many steps to drop" }),
  by,
} as const;

/** Throws `option-missing` where a command cannot do without the text. */
export function needText(path: string | undefined, command: string): string {
  if (path !== undefined) return path;
  throw inputError("option-missing", `refrain ${command}: --text FILE is missing`, "Name a UTF-8 text to measure on.");
}
