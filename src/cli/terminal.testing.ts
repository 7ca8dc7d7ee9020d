/** Command lines run within a test: what they print, and what stands in their standard input. */
import { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import { expect } from "vitest";
import { runCli } from "./cli.ts";
import { type CommandEntry, commands as refrainCommands } from "./commands.ts";

/** A process without a process. */
export class FakeTerminal extends EventEmitter {
  readonly stdout = new FakeStream();
  readonly stderr = new FakeStream();
  readonly stdin: Readable;

  constructor(input: string) {
    super();
    this.stdin = Readable.from(input === "" ? [] : [input]);
  }

  exit(): void {
    throw new Error("exit was called");
  }
}

class FakeStream extends EventEmitter {
  text = "";

  write(text: string, done?: () => void): boolean {
    this.text += text;
    this.emit("written");
    done?.();
    return true;
  }
}

export interface Finished {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CommandLineOptions {
  /** What is piped in. */
  readonly input?: string;
  readonly commands?: readonly CommandEntry[];
  /** Sees the terminal before the command begins, e.g. to interrupt it. */
  readonly onStart?: (terminal: FakeTerminal) => void;
}

/** Runs `refrain WORDS` to its end. */
export async function commandLine(words: readonly string[], options: CommandLineOptions = {}): Promise<Finished> {
  const { input = "", commands = refrainCommands, onStart } = options;
  const terminal = new FakeTerminal(input);
  onStart?.(terminal);
  const code = await runCli(words, commands, terminal);
  expect(terminal.listenerCount("SIGINT")).toBe(0);
  return { code, out: terminal.stdout.text, err: terminal.stderr.text };
}
