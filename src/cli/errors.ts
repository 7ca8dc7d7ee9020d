/** How an error reaches the person at the terminal: one message, one line of help, an exit code. */
import { RefrainError } from "../errors.ts";

export interface ErrorReport {
  /** For stderr, with its line break. */
  readonly text: string;
  /** 2 for bad use or bad input, 1 for everything else. */
  readonly exitCode: 1 | 2;
}

/** A stack trace is shown with --debug only. Anything but a RefrainError is a bug of ours, and is called that. */
export function reportError(error: unknown, debug: boolean): ErrorReport {
  const known = RefrainError.is(error) ? error : undefined;
  const message = known ? known.message : `this is a bug in Refrain: ${String(error)}`;
  const help = known ? known.help : bugHelp(debug);
  const lines = [`error: ${message}`];
  if (help) lines.push(`help: ${help}`);
  if (debug) lines.push("", ...traces(error));
  return { text: `${printable(lines.join("\n"))}\n`, exitCode: known?.kind === "input" ? 2 : 1 };
}

function bugHelp(debug: boolean): string {
  return debug
    ? "Please report it with the command and the stack trace."
    : "Please report it with the command, which shows a stack trace when run again with --debug.";
}

/** The stack of an error and of what caused it. */
function traces(error: unknown): string[] {
  const found: string[] = [];
  for (let cause = error; cause instanceof Error && found.length < 8; cause = cause.cause) {
    found.push(`${found.length > 0 ? "caused by " : ""}${cause.stack ?? cause}`);
  }
  return found;
}

/** Names, contents of files and what models say must not drive the terminal. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, "?");
}
