/**
 * The one error that Refrain throws on purpose. A message says what was wrong and where; `help` says what to do.
 * Anything else that escapes is a bug of ours, and the command line says so.
 */
export type ErrorKind =
  /** Bad use or bad input: an option, a file, a schedule. The command line exits with 2. */
  | "input"
  /** The work itself failed: disk full, no memory, interrupted. The command line exits with 1. */
  | "failure";

export class RefrainError extends Error {
  override readonly name = "RefrainError";
  readonly kind: ErrorKind;
  /** Stable and kebab-case, e.g. `schedule-syntax`, `safetensors-header`; tests and callers match on it. */
  readonly code: string;
  readonly help: string | undefined;

  constructor(kind: ErrorKind, code: string, message: string, options: { help?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.help = options.help;
  }

  /** Holds across copies of the package, where `instanceof` does not. */
  static is(error: unknown): error is RefrainError {
    return error instanceof Error && error.name === "RefrainError" && "code" in error;
  }
}

/** Bad use or bad input (exit code 2). */
export function inputError(code: string, message: string, help?: string): RefrainError {
  return new RefrainError("input", code, message, help === undefined ? {} : { help });
}

/** The work itself failed (exit code 1). */
export function failure(code: string, message: string, help?: string, cause?: unknown): RefrainError {
  return new RefrainError("failure", code, message, { ...(help === undefined ? {} : { help }), cause });
}
