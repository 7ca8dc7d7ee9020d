/** Options of the commands that read a text. */
import { inputError } from "../errors.ts";
import { methods } from "../shrink/methods.ts";
import { choice, integer, text, withDefault } from "./options.ts";

export const textOption = text({ hint: "FILE", description: "the text to measure on, UTF-8" });

export const windowOptions = {
  window: withDefault(integer({ hint: "N", min: 2, max: 65536, description: "tokens of a window" }), 256),
  windows: withDefault(integer({ hint: "N", min: 1, max: 100_000, description: "most windows that are read" }), 16),
} as const;

export const dropOptions = {
  drop: integer({ hint: "N", min: 1, max: 4095, description: "how many steps to drop" }),
  by: withDefault(
    choice(["angular", "influence"], {
      description: methods.map(({ name, description }) => `${name}: ${description}`).join("; "),
    }),
    "angular" as const,
  ),
} as const;

/** Throws `option-missing` where a command cannot do without the text. */
export function needText(path: string | undefined, command: string): string {
  if (path !== undefined) return path;
  throw inputError("option-missing", `refrain ${command}: --text FILE is missing`, "Name a UTF-8 text to measure on.");
}
