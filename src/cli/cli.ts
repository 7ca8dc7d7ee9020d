/**
 * The frame around every command: finds it, reads its options, runs it with an abort signal, a progress display and an
 * output, and turns whatever happens into text on stderr and an exit code: 0 done, 1 failed, 2 bad use or bad input,
 * 130 interrupted.
 */
import { inputError, RefrainError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { version } from "../version.ts";
import type { CommandEntry } from "./commands.ts";
import { reportError } from "./errors.ts";
import { commandHelp, mainHelp } from "./help.ts";
import { Input, type InputStream } from "./input.ts";
import { interruptible, type SignalSource, throwIfUnwritable } from "./interrupt.ts";
import { sharedOptions } from "./options.ts";
import { Output, type Stream } from "./output.ts";
import { progressDisplay } from "./progress.ts";
import { readArguments } from "./read-arguments.ts";

/** What the frame needs of a process; tests bring their own. */
export interface Terminal extends SignalSource {
  readonly stdin: InputStream;
  readonly stdout: Stream;
  readonly stderr: Stream;
}

/** Runs one command line, without "node" and the script; gives the exit code. Never rejects. */
export async function runCli(
  words: readonly string[],
  commands: readonly CommandEntry[],
  terminal: Terminal,
): Promise<number> {
  terminal.stderr.on("error", () => {}); // nobody is left to be told
  const interrupts = interruptible(terminal, terminal.stdout);
  try {
    const code = await dispatch(words, commands, terminal, interrupts.signal);
    return interrupts.exitCode() ?? code;
  } catch (error) {
    const interrupted = interrupts.exitCode();
    if (interrupted === 0) return 0;
    // Aborted work fails in many words, of which only a RefrainError says more than why it was aborted.
    const { aborted, reason } = interrupts.signal;
    const cause = aborted && !RefrainError.is(error) ? reason : error;
    const report = reportError(cause, wantsDebug(words));
    terminal.stderr.write(report.text);
    return interrupted ?? report.exitCode;
  } finally {
    interrupts.release();
  }
}

async function dispatch(
  words: readonly string[],
  commands: readonly CommandEntry[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined) {
    terminal.stderr.write(`${mainHelp(version, commands)}\n`);
    return 2;
  }
  if (first === "--version" || first === "-v") {
    terminal.stdout.write(`${version}\n`);
    return 0;
  }
  if (first === "--help" || first === "-h") {
    terminal.stdout.write(`${mainHelp(version, commands)}\n`);
    return 0;
  }
  await runCommand(findCommand(first, commands), rest, terminal, signal);
  return 0;
}

function findCommand(name: string, commands: readonly CommandEntry[]): CommandEntry {
  const found = commands.find((command) => command.name === name);
  if (found) return found;
  if (name.startsWith("-")) {
    const help = 'Options stand behind the command: "refrain run MODEL --quiet". "refrain --help" lists the commands.';
    throw inputError("unknown-option", `refrain: unknown option ${name}`, help);
  }
  const names = commands.map((command) => command.name);
  const meant = nearest(name, names);
  const help = `${meant ? `Did you mean "refrain ${meant}"? ` : ""}The commands are ${names.join(", ")}.`;
  throw inputError("unknown-command", `refrain: unknown command "${name}"`, help);
}

async function runCommand(
  entry: CommandEntry,
  words: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { stdout, stderr } = terminal;
  const command = await entry.load();
  const values = readArguments(words, { ...command.options, ...sharedOptions }, `refrain ${entry.name}`);
  if (values.help) {
    stdout.write(
      `${await commandHelp(entry, command, { colored: stdout.isTTY === true, width: stdout.columns ?? 100 })}\n`,
    );
    return;
  }
  const progress = progressDisplay(stderr, values.quiet || values.json);
  const output = new Output(stdout, stderr, values, progress.clear);
  const input = new Input(() => terminal.stdin, stderr);
  try {
    await command.run(values, { output, input, signal, onProgress: progress.onProgress });
  } finally {
    progress.stop();
  }
  // A command that returns after Ctrl-C has seen to it; that its output could not be written it cannot know.
  throwIfUnwritable(signal);
  await output.finish();
}

/** Also where the options themselves are what is wrong. */
function wantsDebug(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return words.slice(0, end < 0 ? undefined : end).includes("--debug");
}
