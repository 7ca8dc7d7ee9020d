/** What a command is: typed options and a function. The frame in cli.ts does everything else. */
import type { OnProgress } from "../progress.ts";
import type { Input } from "./input.ts";
import type { Options, ValuesOf } from "./options.ts";
import type { Output } from "./output.ts";

/** What the frame gives to a running command. */
export interface CommandContext {
  /** Everything that is printed goes through here. */
  readonly output: Output;
  /** Standard input, for commands that read it. */
  readonly input: Input;
  /** Aborts on Ctrl-C and when the reader of stdout goes away; hand it to all work that lasts. */
  readonly signal: AbortSignal;
  /** Hand it to all work that lasts: it draws the bar. */
  readonly onProgress: OnProgress;
}

export interface Command {
  readonly options: Options;
  readonly run: (values: Readonly<Record<string, unknown>>, context: CommandContext) => Promise<void>;
}

/**
 * Defines a command. `run` gets checked values of the types that its options have. It throws RefrainErrors and lets the
 * frame print them; it calls `output.result` once, or `output.write` as it goes where there is no --json.
 * Work that was interrupted throws, and the frame says "Interrupted"; a command that returns instead has ended in its own
 * way, and only the exit code (130 for Ctrl-C) tells.
 * The frame adds --json, --quiet, --debug and --help, and hands over an abort signal and a progress display.
 */
export function defineRefrainCommand<const O extends Options>(definition: {
  readonly options: O;
  readonly run: (values: ValuesOf<O>, context: CommandContext) => Promise<void>;
}): Command {
  return { options: definition.options, run: (values, context) => definition.run(values as ValuesOf<O>, context) };
}
