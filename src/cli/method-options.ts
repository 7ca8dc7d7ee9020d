/** The options of all shrinking methods as options of the command line. */
import { inputError } from "../errors.ts";
import type { Method } from "../shrink/method.ts";
import { defaultValues, type MethodOption } from "../shrink/method-options.ts";
import { methods } from "../shrink/methods.ts";
import { choice, flag, integer, number, type Option, type Options, text } from "./options.ts";

type Value = string | number | boolean | undefined;

/** Each option once; the help says which methods take it. */
export const methodOptions: Options = Object.fromEntries(
  methods.flatMap(({ options }) =>
    Object.entries(options).map(([name, option]) => [name, asOption(option, takers(name).join(", "))]),
  ),
);

/** Names of the methods that have an option of this name. */
function takers(option: string): string[] {
  return methods.filter(({ options }) => Object.hasOwn(options, option)).map(({ name }) => name);
}

function asOption(option: MethodOption, takenBy: string): Option<unknown> {
  const usual = option.kind === "flag" || option.default === undefined ? "" : ` (default ${option.default})`;
  const description = `${takenBy}: ${option.description}${usual}`;
  switch (option.kind) {
    case "flag":
      return flag({ description });
    case "integer":
      return integer({ ...option, description });
    case "number":
      return number({ ...option, description });
    case "choice":
      return choice(option.values, { description });
    case "text":
      return text({ hint: option.hint, description });
  }
}

/** The method's own values, with defaults; throws `option-conflict` where an option of other methods is given. */
export function valuesOf(method: Method, given: Readonly<Record<string, unknown>>): Record<string, Value> {
  const foreign = Object.keys(methodOptions).find(
    (name) => !Object.hasOwn(method.options, name) && given[name] !== undefined && given[name] !== false,
  );
  if (foreign !== undefined) {
    throw inputError(
      "option-conflict",
      `refrain shrink: --${foreign} does not go with --by ${method.name}`,
      `It is for --by ${takers(foreign).join(", ")}.`,
    );
  }
  const usual: Record<string, Value> = defaultValues(method.options);
  return Object.fromEntries(Object.entries(usual).map(([name, value]) => [name, (given[name] as Value) ?? value]));
}
