/** The methods that choose which steps to drop. A new one is one file beside this one and one line here. */
import { inputError } from "../errors.ts";
import { angular } from "./angular.ts";
import { influence } from "./influence.ts";
import type { Method } from "./method.ts";

export const methods: readonly Method[] = [angular, influence];

/** Throws `shrink-method` for a name that is none. */
export function findMethod(name: string): Method {
  const found = methods.find((method) => method.name === name);
  if (found) return found;
  throw inputError(
    "shrink-method",
    `no method is called ${JSON.stringify(name)}`,
    `Choose one of: ${methods.map((method) => method.name).join(", ")}.`,
  );
}
