/** Options of shrinking methods, as data: the command line turns them into `--name VALUE`, the record writes them down. */

interface Described {
  readonly description: string;
}

interface Valued extends Described {
  /** What stands for the value in the help: N. */
  readonly hint: string;
}

export interface FlagOption extends Described {
  readonly kind: "flag";
}

export interface NumberOption extends Valued {
  /** Both bounds are included. */
  readonly kind: "integer" | "number";
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

export interface ChoiceOption<V extends string = string> extends Described {
  readonly kind: "choice";
  readonly values: readonly V[];
  readonly default: V;
}

export interface TextOption extends Valued {
  readonly kind: "text";
  /** Without it, the value is undefined where the option is not given. */
  readonly default?: string;
}

export type MethodOption = FlagOption | NumberOption | ChoiceOption | TextOption;

/** By name, as the command line has it without its dashes. */
export type MethodOptions = Readonly<Record<string, MethodOption>>;

type ValueOf<O extends MethodOption> = O extends FlagOption
  ? boolean
  : O extends NumberOption
    ? number
    : O extends ChoiceOption<infer V>
      ? V
      : O extends { readonly default: string }
        ? string
        : string | undefined;

export type OptionValues<O extends MethodOptions> = { readonly [K in keyof O]: ValueOf<O[K]> };

export const flagOption = (description: string): FlagOption => ({ kind: "flag", description });

export const integerOption = (option: Omit<NumberOption, "kind">): NumberOption => ({ kind: "integer", ...option });

export const numberOption = (option: Omit<NumberOption, "kind">): NumberOption => ({ kind: "number", ...option });

export function choiceOption<const V extends string>(option: Omit<ChoiceOption<V>, "kind">): ChoiceOption<V> {
  return { kind: "choice", ...option };
}

export function textOption<const O extends Omit<TextOption, "kind">>(option: O): O & { readonly kind: "text" } {
  return { kind: "text", ...option };
}

/** The values of a method's options where its user gives none. */
export function defaultValues<const O extends MethodOptions>(options: O): OptionValues<O> {
  const value = (option: MethodOption) =>
    option.kind === "flag" ? false : "default" in option ? option.default : undefined;
  return Object.fromEntries(Object.entries(options).map(([name, o]) => [name, value(o)])) as OptionValues<O>;
}
