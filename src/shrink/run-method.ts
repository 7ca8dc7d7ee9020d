/** A method with everything it needs: its windows of text, and a journal that belongs to this very search. */
import { failure, inputError } from "../errors.ts";
import { checkWindow } from "../measure/window.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import { firstTokens } from "../text/first-tokens.ts";
import type { TextFile } from "../text/read-text.ts";
import { version } from "../version.ts";
import { fingerprint } from "../weights/fingerprint.ts";
import { openCheckpoint } from "../weights/open.ts";
import type { Amount } from "./amount.ts";
import { FileJournal, memoryJournal } from "./journal.ts";
import type { Calibration, Json, Method, Shrunk } from "./method.ts";
import { type MethodRecord, methodRecord } from "./record.ts";

export interface MethodRequest {
  readonly method: Method;
  /** All of the method's options. */
  readonly values: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly amount: Amount | undefined;
  readonly text: TextFile | undefined;
  /** Without them, the method's own. */
  readonly window?: number | undefined;
  readonly windows?: number | undefined;
  /** How weights are kept in memory: "file" or one of --weights. */
  readonly weights: string;
  /** The journal lies beside it; without it, a search that is stopped is lost. */
  readonly out?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface MethodResult {
  readonly shrunk: Shrunk;
  readonly record: MethodRecord;
  /** Removes the journal: to be called when the result is safe. */
  readonly forget: () => Promise<void>;
}

/** Throws `text-missing`, `text-too-short`, `window`, `journal-damaged`, `interrupted`, and what the method throws. */
export async function runMethod(model: Model, request: MethodRequest): Promise<MethodResult> {
  const { method, values, amount, out, weights, signal, onProgress } = request;
  const calibration = readCalibration(model, request);
  const told = { method, values, amount, calibration, weights };
  const journal = out === undefined ? undefined : await openJournal(model, out, told);
  const context = { model, amount, calibration, journal: journal ?? memoryJournal(), signal, onProgress };
  const shrunk = await method.run(context, values as Parameters<Method["run"]>[1]).catch(async (error: unknown) => {
    if (!signal?.aborted || !(await journal?.read())) throw error;
    throw failure(
      "interrupted",
      `Interrupted. What the search knows is kept in ${journal!.path}`,
      "Run the same command again, and it goes on there.",
    );
  });
  return { shrunk, record: methodRecord(told, shrunk), forget: async () => journal?.forget() };
}

function readCalibration(model: Model, { method, text, window, windows }: MethodRequest): Calibration | undefined {
  if (!method.calibration) return undefined;
  if (!text) throw inputError("text-missing", `${method.name} needs a text to go by`, "Give a --text.");
  const usual = method.calibration;
  const length = window ?? Math.min(usual.window, model.config.contextLength);
  checkWindow(model, length);
  const tokens = firstTokens(model.needTokenizer(), text.text, length * (windows ?? usual.windows));
  const whole = Math.floor(tokens.length / length);
  if (whole < 1) {
    throw inputError(
      "text-too-short",
      `the text has ${tokens.length} tokens, less than one window of ${length}`,
      "Give a longer --text, or a shorter --window.",
    );
  }
  const { name, sha256 } = text;
  return { tokens: tokens.slice(0, whole * length), window: length, windows: whole, text: { name, sha256 } };
}

async function openJournal(
  model: Model,
  out: string,
  { method, values, amount, calibration, weights }: Parameters<typeof methodRecord>[0],
): Promise<FileJournal> {
  const checkpoint = await openCheckpoint(model.path);
  try {
    return new FileJournal(out, {
      refrain: version,
      model: await fingerprint(checkpoint),
      schedule: model.schedule,
      weights,
      method: method.name,
      values: values as Json,
      amount: (amount as Json | undefined) ?? null,
      calibration: calibration
        ? { sha256: calibration.text.sha256, tokens: [...calibration.tokens], window: calibration.window }
        : null,
    });
  } finally {
    await checkpoint.close();
  }
}
