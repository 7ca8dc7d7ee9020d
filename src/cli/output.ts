/**
 * What a command prints. With --json that is exactly one JSON document on stdout, and nothing else; notes and progress go
 * to stderr in any case.
 */

import { printable } from "./errors.ts";

/** A stream as the command line uses it: stdout, stderr, or a test's. */
export interface Stream {
  write(text: string, done?: (error?: Error | null) => void): boolean;
  on(event: "error", listener: (error: NodeJS.ErrnoException) => void): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export class Output {
  readonly json: boolean;
  /** Characters a line of the terminal has; 80 where there is no terminal. */
  readonly width: number;
  /** A person reads stdout as it comes. */
  readonly isTerminal: boolean;
  private readonly stdout: Stream;
  private readonly stderr: Stream;
  private readonly quiet: boolean;
  private readonly makeRoom: () => void;
  private hasResult = false;
  private midLine = false;

  /** `makeRoom` is called before anything is written, to take a bar off the screen. */
  constructor(
    stdout: Stream,
    stderr: Stream,
    { json, quiet }: { readonly json: boolean; readonly quiet: boolean },
    makeRoom: () => void = () => {},
  ) {
    this.makeRoom = makeRoom;
    this.stdout = stdout;
    this.stderr = stderr;
    this.json = json;
    this.quiet = quiet;
    this.width = stdout.columns ?? 80;
    this.isTerminal = stdout.isTTY === true;
  }

  /** Text for stdout as it comes, e.g. generated tokens. Nothing with --json. */
  write(text: string): void {
    if (this.json || text === "") return;
    this.makeRoom();
    this.stdout.write(this.isTerminal ? printable(text) : text);
    this.midLine = !text.endsWith("\n");
  }

  /** What the person gave, repeated pale before what the model makes of it; on a terminal only. */
  echo(text: string): void {
    if (this.json || !this.isTerminal || text === "") return;
    const pale = process.env.NO_COLOR ? printable(text) : `\u001b[2m${printable(text)}\u001b[22m`;
    this.makeRoom();
    this.stdout.write(pale);
    this.midLine = !text.endsWith("\n");
  }

  /** Ends the line that `write` left open, if it did. */
  endLine(): void {
    if (this.midLine) this.write("\n");
  }

  /** The command's result, once: the document with --json, else the text. */
  result(document: unknown, text: string): void {
    if (this.hasResult) throw new Error("a command printed two results");
    this.hasResult = true;
    this.makeRoom();
    this.stdout.write(`${this.json ? toJson(document) : text}\n`);
  }

  /** The document of --json, for a command whose text was written as it came. */
  document(document: unknown): void {
    if (this.json) this.result(document, "");
  }

  /** Something that was asked for beside the result, on stderr, whatever else is silenced. */
  aside(text: string): void {
    this.makeRoom();
    this.stderr.write(`${printable(text)}\n`);
  }

  /** A line for the person who waits, on stderr; nothing with --quiet or --json. */
  note(line: string): void {
    if (!this.quiet && !this.json) this.aside(line);
  }

  /** Waits until stdout has taken everything. A command that ran with --json must have printed its document by now. */
  async finish(): Promise<void> {
    if (this.json && !this.hasResult) throw new Error("a command printed no JSON document");
    await new Promise<void>((done) => {
      this.stdout.write("", () => done());
    });
  }
}

/** Typed arrays as arrays and maps as objects; what JSON cannot say (NaN, Infinity) as null. */
function toJson(document: unknown): string {
  return JSON.stringify(
    document,
    (_, value: unknown) => {
      if (value instanceof Map) return Object.fromEntries(value);
      if (ArrayBuffer.isView(value) && !(value instanceof DataView))
        return Array.from(value as unknown as ArrayLike<number>);
      return value;
    },
    2,
  );
}
