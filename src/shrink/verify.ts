/**
 * Holds a written model against the one that it was written from: what was written is opened and both play the same tokens.
 *
 * Folders are compared with weights in f16, whatever the model in memory has. What is written is what the source holds, or F16
 * where that was quantized, so in f16 both have the same weights to the bit, and their logits differ by no more than
 * rotary frequencies that were written down in another form. In 4 or 8 bits they would differ by the rounding of
 * activations, and that hides mistakes: two neighbouring blocks that changed places move a logit less. A file that was quantized as the model in memory
 * is has the same blocks to the bit, and is compared as it is.
 */
import { failure, RefrainError } from "../errors.ts";
import { asExported } from "../model/export-tensor.ts";
import type { OnProgress } from "../progress.ts";
import { load, type Model, type WeightType } from "../refrain.ts";
import { hasAttention } from "../schedule/schedule.ts";

const TOKENS = 64;

/** Largest difference of a logit that is allowed, in standard deviations of the logits. */
const TOLERANCE: Readonly<Record<"f32" | "f16" | "q8", number>> = {
  f32: 1e-4,
  f16: 1e-4,
  // What was rounded to F16 on the way is rounded to other eighths of a bit now and then.
  q8: 0.05,
};

/** The same where activations may be rounded to 8 bits, and rotary frequencies went through another form. */
const ROUNDED = 0.1;

/** What a check that succeeded found. */
export interface Verification {
  /** Largest difference of a logit between the source and what was written, in standard deviations of the logits. */
  readonly difference: number;
  readonly tokens: number;
  /** How weights were kept for it. */
  readonly weights: WeightType;
}

export interface VerifyOptions {
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Throws `verify` where the model in `folder` does not play as `model` does, and what `load` throws where it cannot be opened. */
export async function verifyWritten(model: Model, folder: string, options: VerifyOptions = {}): Promise<Verification> {
  const tokens = tokensFor(model);
  const context = { ...options, contextLength: tokens.length };
  let weights: keyof typeof TOLERANCE = "f16";
  const source = async () => playOnce(await model.reload({ ...context, weights }), tokens);
  const expected = await source().catch((error: unknown) => {
    if (!RefrainError.is(error) || (error.code !== "too-large" && error.code !== "f16-range")) throw error;
    weights = error.code === "too-large" ? "q8" : "f32";
    return source();
  });
  const actual = await playOnce(await load(folder, { ...context, weights }), tokens);
  const difference = differenceOf(model, folder, expected, actual, TOLERANCE[weights]);
  return { difference, tokens: tokens.length, weights };
}

/** The same for a GGUF file that was written with `weights`, as which `model` was loaded. */
export async function verifyExported(
  model: Model,
  file: string,
  { weights, ...options }: VerifyOptions & { readonly weights: WeightType | undefined },
): Promise<Omit<Verification, "weights">> {
  const tokens = tokensFor(model);
  const { config, schedule } = model;
  // Factors that are written down in another form round activations otherwise.
  const tolerance = config.rope.scaling.kind === "llama3" ? ROUNDED : TOLERANCE.f32;
  const expected = await playOnce(await model.edited(asExported(config, weights ?? "file"), schedule, options), tokens);
  const written = await load(file, { ...options, contextLength: tokens.length, weights });
  try {
    const difference = differenceOf(model, file, expected, await play(written, tokens), tolerance);
    refuseOtherTokens(model, written, file);
    return { difference, tokens: tokens.length };
  } finally {
    await written.dispose();
  }
}

/** Words, numbers, spaces, signs, and characters of one to four bytes. */
const SAMPLE = "It's 1,234.5 naïve  café\n\tif (x >= 10) { y = 'ok'; }\r\n 北京 ½ Ελλάδα 🦙🏽 \u00a0end  ";

function refuseOtherTokens({ tokenizer: source }: Model, { tokenizer: written }: Model, file: string): void {
  if (source === undefined) return;
  const differs = (what: string) =>
    failure("verify", `${file} was written, but its tokenizer ${what}`, "This is a bug in Refrain. Please report it.");
  if (written?.encode(SAMPLE).join() !== source.encode(SAMPLE).join()) throw differs("cuts a text into other tokens");
  if (written.stops.join() !== source.stops.join()) throw differs("ends a text with other tokens");
  for (let id = 0; id < source.vocabSize; id++) {
    const text = source.piece(id);
    if (text !== "" && written.piece(id) !== text) throw differs(`has another token ${id}`);
  }
}

function tokensFor({ config }: Model): number[] {
  const count = Math.min(TOKENS, config.contextLength);
  return Array.from({ length: count }, (_, i) => (i * 37 + 1) % config.vocabSize);
}

/** Largest difference of a logit, in standard deviations. Throws `verify` where it is above `tolerance`. */
function differenceOf(model: Model, written: string, expected: Played, actual: Played, tolerance: number): number {
  const differ = (how: string) =>
    failure(
      "verify",
      `${written} was written, but it does not play as ${model.path} with schedule "${model.schedule}" does: ${how}`,
      "This is a bug in Refrain; what was written was left in place. Please report it with the model's name.",
    );
  if (actual.windows.join() !== expected.windows.join()) {
    throw differ(`its attention sees ${actual.windows.join(" ")}, expected ${expected.windows.join(" ")}`);
  }
  const worst = actual.logits.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.logits[i]!)), 0);
  const spread = standardDeviation(expected.logits);
  if (!(worst <= tolerance * spread)) {
    throw differ(
      `its logits differ by ${worst.toPrecision(3)}, where their standard deviation is ${spread.toPrecision(3)}`,
    );
  }
  return worst === 0 ? 0 : worst / spread;
}

interface Played {
  /** After the last token. */
  readonly logits: Float32Array;
  /** Positions that each attention sees, "all" without a limit: a short text would not show them. */
  readonly windows: readonly (number | "all")[];
}

/** Plays the tokens, and puts the model away. */
async function playOnce(model: Model, tokens: readonly number[]): Promise<Played> {
  try {
    return await play(model, tokens);
  } finally {
    await model.dispose();
  }
}

async function play(model: Model, tokens: readonly number[]): Promise<Played> {
  const { windows, contextLength } = model.config;
  const seen = model.steps.filter(hasAttention).map(({ block }) => windows[block] ?? contextLength);
  const session = model.session({ contextLength: tokens.length });
  try {
    const logits = (await session.feed(tokens)).slice();
    return { logits, windows: seen.map((window) => (window < contextLength ? window : ("all" as const))) };
  } finally {
    session.dispose();
  }
}

function standardDeviation(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
