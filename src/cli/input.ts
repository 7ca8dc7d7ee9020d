/** What comes in through standard input: a whole text, or lines one after the other from a pipe or from a person. */
import { createInterface, type Interface } from "node:readline";
import { Writable } from "node:stream";
import { inputError } from "../errors.ts";
import type { Stream } from "./output.ts";

/** Standard input, or a test's. */
export type InputStream = NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined };

/** No prompt and no message is longer; a file of hundreds of megabytes was meant for something else. */
const MAX_TEXT = 64e6;

const PROMPT = "> ";

export class Input {
  private readonly open: () => InputStream;
  private readonly stderr: Stream;

  /** `open` gives the stream when it is first needed: asking a process for its stdin already has effects. */
  constructor(open: () => InputStream, stderr: Stream) {
    this.open = open;
    this.stderr = stderr;
  }

  /** A person is at the other end. */
  get isTerminal(): boolean {
    return this.open().isTTY === true;
  }

  /** Everything up to the end, as UTF-8. */
  async readAll(signal: AbortSignal): Promise<string> {
    const stream = this.open();
    const parts: Buffer[] = [];
    let bytes = 0;
    const stop = () => (stream as NodeJS.ReadableStream & { destroy(): void }).destroy();
    signal.addEventListener("abort", stop);
    try {
      for await (const chunk of stream) {
        const part = Buffer.from(chunk);
        parts.push(part);
        bytes += part.length;
        if (bytes > MAX_TEXT) throw inputError("input-too-large", `standard input has more than ${MAX_TEXT / 1e6} MB`);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    signal.throwIfAborted();
    return Buffer.concat(parts).toString("utf8");
  }

  /** Lines as they are asked for; the end of `signal` is the end of the lines. */
  lines(signal: AbortSignal): Lines {
    return new Lines(this.open(), this.stderr, signal);
  }
}

/**
 * Lines of a pipe or, with an editor and a history, of a person. What a person types between two questions is kept for
 * the next one, unseen, so that it does not end up in the middle of an answer.
 */
export class Lines {
  readonly isTerminal: boolean;
  /** Called on Ctrl-C between two questions; by then the terminal sends no signal, because an editor reads its keys. */
  onInterrupt: (() => void) | undefined;
  private readonly stderr: Stream;
  private readonly editor: Interface;
  private readonly waiting: string[] = [];
  private wake: (() => void) | undefined;
  private asking = false;
  private ended = false;
  /** Ctrl-C was the last that happened. */
  private interrupted = false;

  constructor(stream: InputStream, stderr: Stream, signal: AbortSignal) {
    this.stderr = stderr;
    this.isTerminal = stream.isTTY === true && stderr.isTTY === true;
    const screen = this.isTerminal ? { output: this.screen(), terminal: true } : { terminal: false };
    this.editor = createInterface({ input: stream, signal, prompt: PROMPT, ...screen });
    this.editor.on("line", (line) => {
      this.asking = false;
      this.waiting.push(line);
      this.wake?.();
    });
    this.editor.on("close", () => {
      this.ended = true;
      // The cursor stands behind the prompt.
      if (this.isTerminal && this.asking) stderr.write("\n");
      this.wake?.();
    });
    this.editor.on("SIGINT", () => this.interrupt());
  }

  /** The next line; undefined at the end of input, which a person gives with Ctrl-D or with Ctrl-C twice. */
  async next(): Promise<string | undefined> {
    if (this.waiting.length > 0) {
      if (this.isTerminal) this.stderr.write(`${PROMPT}${this.waiting[0]}\n`);
    } else if (!this.ended) {
      this.asking = true;
      if (this.isTerminal) this.editor.prompt(true);
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      this.asking = false;
    }
    const line = this.waiting.shift();
    if (line !== undefined) this.interrupted = false;
    return line;
  }

  close(): void {
    this.editor.close();
  }

  private interrupt(): void {
    if (!this.asking) {
      if (this.interrupted) this.editor.close();
      this.interrupted = true;
      this.onInterrupt?.();
    } else if (this.editor.line !== "") {
      this.stderr.write("^C\n");
      this.editor.write(null, { ctrl: true, name: "e" });
      this.editor.write(null, { ctrl: true, name: "u" });
    } else if (this.interrupted) {
      this.editor.close();
    } else {
      this.interrupted = true;
      this.stderr.write("(Ctrl-C again or Ctrl-D leaves)\n");
      this.editor.prompt();
    }
  }

  /** The terminal as the editor sees it: dark between two questions. */
  private screen(): NodeJS.WritableStream {
    const write = (chunk: Buffer, _: unknown, done: () => void) => {
      if (this.asking) this.stderr.write(chunk.toString());
      done();
    };
    return Object.defineProperty(new Writable({ write }), "columns", { get: () => this.stderr.columns });
  }
}
