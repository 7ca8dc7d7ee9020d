/** `--by NAME`: one of a registry's entries. */
import { inputError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import type { Option } from "./options.ts";

interface Named {
  readonly name: string;
  /** One line for the help text. */
  readonly description: string;
}

/** `what` the entries are, in messages: "method". */
export function named<T extends Named>(what: string, entries: readonly T[], usual: T): Option<T> {
  const names = entries.map(({ name }) => name);
  return {
    arg: {
      type: "string",
      valueHint: names.join("|"),
      description: `${entries.map(({ name, description }) => `${name}: ${description}`).join("; ")} (default ${usual.name})`,
    },
    read: (raw, shown) => {
      if (raw === undefined) return usual;
      const found = entries.find(({ name }) => name === raw);
      if (found) return found;
      const meant = nearest(String(raw), names);
      const help = `${meant ? `Did you mean ${meant}? ` : ""}The ${what}s are ${names.join(", ")}.`;
      throw inputError("option-value", `${shown}: no ${what} is called "${raw}"`, help);
    },
  };
}
