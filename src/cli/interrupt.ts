/**
 * Ctrl-C: the first asks the work to stop, so that it can clean up after itself; the second ends the process at once.
 * SIGTERM does the same. A reader of stdout that goes away (`refrain … | head -1`) also asks the work to stop.
 */
import { failure, RefrainError } from "../errors.ts";
import type { Stream } from "./output.ts";

/** The part of `process` that is used here. */
export interface SignalSource {
  on(signal: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  off(signal: "SIGINT" | "SIGTERM", listener: () => void): unknown;
  exit(code: number): void;
}

export interface Interruptible {
  /** Aborts with a RefrainError (`interrupted` or `output-failed`) as its reason. */
  readonly signal: AbortSignal;
  /** The exit code that an interruption asks for: 130 for Ctrl-C, 143 for SIGTERM, 0 where stdout was closed. */
  readonly exitCode: () => number | undefined;
  /** No longer listens to signals. */
  readonly release: () => void;
}

/** Throws where the output cannot be written: nobody is left to be told how the work ended. */
export function throwIfUnwritable({ reason }: AbortSignal): void {
  if (RefrainError.is(reason) && reason.code === "output-failed") throw reason;
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export function interruptible(source: SignalSource, stdout: Stream): Interruptible {
  const controller = new AbortController();
  let exitCode: number | undefined;

  const onSignal = (name: keyof typeof EXIT_CODES) => () => {
    if (controller.signal.aborted) {
      source.exit(EXIT_CODES[name]);
      return;
    }
    exitCode = EXIT_CODES[name];
    controller.abort(failure("interrupted", "Interrupted"));
  };
  const onInterrupt = onSignal("SIGINT");
  const onTerminate = onSignal("SIGTERM");
  source.on("SIGINT", onInterrupt);
  source.on("SIGTERM", onTerminate);

  // Stays for good: a write may fail after the command has ended.
  stdout.on("error", (error) => {
    if (controller.signal.aborted) return;
    const closed = error.code === "EPIPE";
    if (closed) exitCode = 0;
    controller.abort(failure("output-failed", `Cannot write the output: ${error.message}`, undefined, error));
  });

  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    release: () => {
      source.off("SIGINT", onInterrupt);
      source.off("SIGTERM", onTerminate);
    },
  };
}
