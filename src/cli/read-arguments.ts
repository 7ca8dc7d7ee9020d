/**
 * A command line, read strictly. citty takes unknown options, options without their value and surplus arguments without
 * a word, so the words are checked first, by the parser of Node that citty itself uses.
 */
import { parseArgs as nodeParseArgs } from "node:util";
import { type ArgsDef, parseArgs } from "citty";
import { inputError, type RefrainError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import type { Options, RawValue, ValuesOf } from "./options.ts";

/**
 * The values of a command's options; `command` is its name in messages: "refrain run".
 * Throws `unknown-option`, `option-value`, `argument-missing` or `argument-extra`.
 */
export function readArguments<O extends Options>(words: readonly string[], options: O, command: string): ValuesOf<O> {
  const { positionals, repeated } = checkWords(words, options, command);
  const named = Object.entries(argsOf(options)).filter(([, arg]) => arg.type !== "positional");
  const given: Readonly<Record<string, RawValue>> = parseArgs([...words], Object.fromEntries(named));
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(options)) {
    if (option.arg.type === "positional") {
      values[name] = option.read(option.rest ? positionals.splice(0) : positionals.shift(), name.toUpperCase());
    } else {
      values[name] = option.read(option.repeatable ? (repeated.get(name) ?? []) : given[name], `--${name}`);
    }
  }
  return values as ValuesOf<O>;
}

/** Options as citty defines them. */
export function argsOf(options: Options): ArgsDef {
  return Object.fromEntries(Object.entries(options).map(([name, { arg }]) => [name, arg]));
}

interface Words {
  readonly positionals: string[];
  /** The values of repeatable options, by name, in their order. */
  readonly repeated: ReadonlyMap<string, readonly string[]>;
}

/** Throws at the first word that does not fit. */
function checkWords(words: readonly string[], options: Options, command: string): Words {
  const named = Object.entries(options).filter(([, { arg }]) => arg.type !== "positional");
  const help = `"${command} --help" lists all options.`;
  const { tokens, positionals } = nodeParseArgs({
    args: [...words],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      named.map(([name, { arg }]) => {
        const short = "alias" in arg && typeof arg.alias === "string" ? { short: arg.alias } : {};
        return [name, { type: arg.type === "boolean" ? ("boolean" as const) : ("string" as const), ...short }];
      }),
    ),
  });
  const refuse = (code: string, message: string, hint = help): RefrainError =>
    inputError(code, `${command}: ${message}`, hint);

  const seen = new Set<string>();
  const repeated = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (!option || option.arg.type === "positional") {
      const meant = nearest(
        token.name,
        named.map(([name]) => name),
      );
      throw refuse(
        "unknown-option",
        `unknown option ${token.rawName}`,
        meant ? `Did you mean --${meant}? ${help}` : help,
      );
    }
    if (seen.has(token.name) && !option.repeatable) {
      throw refuse("option-value", `${token.rawName} is given twice`, "Give it once.");
    }
    seen.add(token.name);
    if (option.arg.type === "boolean") {
      if (token.value !== undefined) throw refuse("option-value", `${token.rawName} takes no value`);
    } else if (token.value === undefined || (!token.inlineValue && token.value.startsWith("--"))) {
      const got = token.value === undefined ? "nothing follows" : `"${token.value}" follows`;
      const example = `Write ${token.rawName} ${option.arg.valueHint}, or ${token.rawName}=… where the value begins with "--".`;
      throw refuse("option-value", `${token.rawName} needs a value, but ${got}`, example);
    } else if (option.repeatable) {
      repeated.set(token.name, [...(repeated.get(token.name) ?? []), token.value]);
    }
  }
  checkCount(positionals, options, seen.has("help"), refuse);
  return { positionals, repeated };
}

/** As many positional arguments as the command takes; with --help none are needed. */
function checkCount(
  positionals: readonly string[],
  options: Options,
  onlyHelp: boolean,
  refuse: (code: string, message: string) => RefrainError,
): void {
  const places = Object.entries(options).filter(([, { arg }]) => arg.type === "positional");
  const missing = places.slice(positionals.length).find(([, { arg }]) => arg.required);
  if (missing && !onlyHelp) {
    throw refuse("argument-missing", `${missing[0].toUpperCase()} is missing: ${missing[1].arg.description}`);
  }
  const surplus = positionals[places.length];
  if (surplus !== undefined && !places.at(-1)?.[1].rest) {
    throw refuse("argument-extra", `"${surplus}" is one argument too many`);
  }
}
