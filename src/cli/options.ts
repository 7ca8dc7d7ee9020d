/**
 * Typed options: what the help says of an option and how its text becomes a value stand in one place, and every value is
 * checked before a command begins. `read-arguments.ts` reads a command line by them; the layout of the help is citty's.
 */
import type { ArgDef } from "citty";
import type { CacheType } from "../engine/attention-layout.ts";
import { inputError } from "../errors.ts";
import type { WeightType } from "../refrain.ts";

/** One option or argument whose value is a T. */
export interface Option<T> {
  /** What citty is told. */
  readonly arg: ArgDef;
  /** Takes all arguments that are left; only the last positional may. */
  readonly rest?: boolean;
  /** May be given several times; `read` gets the list of its values. */
  readonly repeatable?: boolean;
  /** From the command line to the value; `shown` names the option in messages: "--threads". Throws `option-value`. */
  readonly read: (raw: RawValue, shown: string) => T;
}

/** As citty gives it: undefined where the option was not given. */
export type RawValue = string | boolean | readonly string[] | undefined;

export type Options = Readonly<Record<string, Option<unknown>>>;

export type ValuesOf<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

interface Described {
  readonly description: string;
}

/** An argument that must be given: MODEL. */
export function argument({ description }: Described): Option<string> {
  return { arg: { type: "positional", description, required: true }, read: (raw) => raw as string };
}

/** An argument that may be left out. */
export function optionalArgument({ description }: Described): Option<string | undefined> {
  return { arg: { type: "positional", description, required: false }, read: (raw) => raw as string | undefined };
}

/** One argument or more: A B …. It must be the last positional. */
export function argumentList({ description }: Described): Option<readonly string[]> {
  return { arg: { type: "positional", description, required: true }, rest: true, read: (raw) => raw as string[] };
}

/** `--name`, on or off. */
export function flag({ description, alias }: Described & { readonly alias?: string }): Option<boolean> {
  return { arg: { type: "boolean", description, ...(alias ? { alias } : {}) }, read: (raw) => raw === true };
}

interface Valued extends Described {
  /** What stands for the value in the help: FILE. */
  readonly hint: string;
  /** One letter. */
  readonly alias?: string;
}

/** `--name TEXT`. */
export function text(option: Valued): Option<string | undefined> {
  return { arg: valued(option), read: (raw) => raw as string | undefined };
}

/** `--name TEXT`, as often as one likes; no text may be empty. */
export function texts(option: Valued): Option<readonly string[]> {
  return {
    arg: valued(option),
    repeatable: true,
    read: (raw, shown) => {
      const values = raw as readonly string[];
      if (values.includes("")) throw badValue(shown, "", "a text of at least one character");
      return values;
    },
  };
}

/** `--name ONE-OF`. */
export function choice<const V extends string>(
  values: readonly V[],
  option: Described & { readonly alias?: string },
): Option<V | undefined> {
  return {
    arg: { ...valued({ ...option, hint: values.join("|") }) },
    read: (raw, shown) => {
      if (raw === undefined) return undefined;
      const value = values.find((allowed) => allowed === raw);
      if (value === undefined) throw badValue(shown, raw, `one of ${values.join(", ")}`);
      return value;
    },
  };
}

interface Bounded extends Valued {
  readonly min: number;
  readonly max: number;
  /** `min` itself is too little. */
  readonly aboveMin?: boolean;
}

/** `--name N`, a whole number from min to max. */
export function integer(option: Bounded): Option<number | undefined> {
  return numeric(option, /^[+-]?[0-9]+$/, "a whole number");
}

/** `--name X`, a number from min to max. */
export function number(option: Bounded): Option<number | undefined> {
  return numeric(option, /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i, "a number");
}

/** An option with a value for where it is not given, which the help shows. */
export function withDefault<T>(option: Option<T | undefined>, value: NonNullable<T>): Option<NonNullable<T>> {
  const description = `${option.arg.description} (default ${value})`;
  return {
    ...option,
    arg: { ...option.arg, description },
    read: (raw, shown) => (raw === undefined ? value : option.read(raw, shown)!),
  };
}

function numeric(option: Bounded, syntax: RegExp, what: string): Option<number | undefined> {
  const { min, max, aboveMin = false } = option;
  return {
    arg: valued(option),
    read: (raw, shown) => {
      if (raw === undefined) return undefined;
      const value = Number(raw);
      const enough = aboveMin ? value > min : value >= min;
      if (syntax.test(raw as string) && enough && value <= max) return value;
      const least = aboveMin ? `above ${min}` : `from ${min}`;
      const unbounded = max === Number.MAX_SAFE_INTEGER || max === Number.POSITIVE_INFINITY;
      throw badValue(shown, raw, `${what} ${least}${unbounded ? "" : `${aboveMin ? "," : ""} to ${max}`}`);
    },
  };
}

function valued({ description, hint, alias }: Valued): ArgDef {
  return { type: "string", description, valueHint: hint, ...(alias ? { alias } : {}) };
}

function badValue(shown: string, got: RawValue, allowed: string) {
  return inputError("option-value", `${shown}: got "${got}", expected ${allowed}`, `Give ${shown} ${allowed}.`);
}

const WEIGHTS: readonly WeightType[] = ["f32", "f16", "q8", "q4"];

const CACHES: readonly CacheType[] = ["f32", "q8"];

/** What commands that play a model take. */
export const modelOptions = {
  schedule: text({ hint: "SCHEDULE", description: 'play the blocks in this order, e.g. "each(0-14)x2"' }),
  adapter: text({ hint: "FOLDER", description: "play with a LoRA adapter, as `refrain heal` and PEFT write it" }),
  weights: choice(WEIGHTS, { description: "how weights are kept in memory (default: as in the file)" }),
  cache: choice(CACHES, { description: "how keys and values are kept in memory (default: f32)" }),
  threads: integer({
    hint: "N",
    min: 1,
    max: 256,
    description: "threads (default: the cores of this machine, at most 8)",
  }),
  context: integer({
    hint: "N",
    min: 1,
    max: 1_048_576,
    description: "longest sequence in tokens (default: the model's limit, at most 2048)",
  }),
} as const;

/** `--profile FILE`, with what it is good for. */
export const profileOption = (use: string): Option<string | undefined> =>
  text({
    hint: "FILE",
    description: `${use} (default: $REFRAIN_DEVICE_PROFILE, else a file of this device in the cache folder)`,
  });

/** What every command takes. */
export const sharedOptions = {
  json: flag({ description: "print one JSON document instead of text" }),
  quiet: flag({ description: "no progress and no notes" }),
  debug: flag({ description: "show stack traces of errors" }),
  help: flag({ description: "show this help", alias: "h" }),
} as const;
