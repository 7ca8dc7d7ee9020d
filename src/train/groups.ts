/**
 * Options of the optimizer by parameter. What multiplies is decayed, what shifts or looks up is not: matrices have weight decay, norms, biases and
 * embeddings (the output projection too where it is the embedding) have none. Groups change that, and the rate, by name.
 */
import type { Parameter } from "../engine/parameter.ts";
import { inputError } from "../errors.ts";
import { isRecurrent } from "../model/recurrence.ts";
import { nearest } from "../nearest.ts";

export interface Group {
  /** Names of parameters; "*" stands for anything. */
  readonly match: string;
  /** Factor of the learning rate. */
  readonly rate: number;
  readonly decay?: number | undefined;
}

export interface ParameterOptions {
  readonly rate: number;
  readonly decay: number;
}

/** The last group that matches counts. Throws `training-config` where a group matches no parameter; `path` stands in messages. */
export function parameterOptions(
  parameters: readonly Parameter[],
  weightDecay: number,
  groups: readonly Group[],
  path: string,
): (parameter: Parameter) => ParameterOptions {
  const matchers = groups.map((group) => ({ ...group, matches: pattern(group.match) }));
  for (const [i, { match, matches }] of matchers.entries()) {
    if (parameters.some(({ name }) => matches(name))) continue;
    const meant = nearest(
      match,
      parameters.map(({ name }) => name),
    );
    throw inputError(
      "training-config",
      `${path}: training.groups.${i}.match: no parameter is called ${JSON.stringify(match)}`,
      `${meant ? `Did you mean "${meant}"? ` : ""}There are ${parameters[0]!.name}, ${parameters.at(-1)!.name} and others; "*" stands for anything.`,
    );
  }
  return (parameter) => {
    const own = { rate: 1, decay: isDecayed(parameter) ? weightDecay : 0 };
    const group = matchers.findLast(({ matches }) => matches(parameter.name));
    return group === undefined ? own : { rate: group.rate, decay: group.decay ?? own.decay };
  };
}

function isDecayed(parameter: Parameter): boolean {
  const { kind, part } = parameter;
  return kind === "matrix" && part !== "embedding" && part !== "positions" && !isRecurrent(parameter);
}

function pattern(match: string): (name: string) => boolean {
  const parts = match.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  const regex = new RegExp(`^${parts.join(".*")}$`);
  return (name) => regex.test(name);
}
