/**
 * Holds a written model against the one that it was written from: both are opened afresh and played on the same tokens.
 *
 * They are compared with weights in f16, whatever the model in memory has. What is written is what the source holds, or F16
 * where that was quantized, so in f16 both have the same weights to the bit, and their logits differ by no more than
 * rotary frequencies that were written down in another form. In 4 or 8 bits they would differ by the rounding of
 * activations, and that hides mistakes: two neighbouring blocks that changed places move a logit less.
 */
import { failure, RefrainError } from "../errors.ts";
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
  const count = Math.min(TOKENS, model.config.contextLength);
  const tokens = Array.from({ length: count }, (_, i) => (i * 37 + 1) % model.config.vocabSize);
  const context = { ...options, contextLength: count };
  let weights: keyof typeof TOLERANCE = "f16";
  const source = async () => play(await model.reload({ ...context, weights }), tokens);
  const expected = await source().catch((error: unknown) => {
    if (!RefrainError.is(error) || (error.code !== "too-large" && error.code !== "f16-range")) throw error;
    weights = error.code === "too-large" ? "q8" : "f32";
    return source();
  });
  const actual = await play(await load(folder, { ...context, weights }), tokens);

  const differ = (how: string) =>
    failure(
      "verify",
      `${folder} was written, but it does not play as ${model.path} with schedule "${model.schedule}" does: ${how}`,
      "This is a bug in Refrain; the folder was left in place. Please report it with the model's name.",
    );
  if (actual.windows.join() !== expected.windows.join()) {
    throw differ(`its attention sees ${actual.windows.join(" ")}, expected ${expected.windows.join(" ")}`);
  }
  const worst = actual.logits.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.logits[i]!)), 0);
  const spread = standardDeviation(expected.logits);
  if (!(worst <= TOLERANCE[weights] * spread)) {
    throw differ(
      `its logits differ by ${worst.toPrecision(3)}, where their standard deviation is ${spread.toPrecision(3)}`,
    );
  }
  return { difference: worst === 0 ? 0 : worst / spread, tokens: count, weights };
}

interface Played {
  /** After the last token. */
  readonly logits: Float32Array;
  /** Positions that each attention sees, "all" without a limit: a short text would not show them. */
  readonly windows: readonly (number | "all")[];
}

/** Plays the tokens, and puts the model away. */
async function play(model: Model, tokens: readonly number[]): Promise<Played> {
  try {
    const attending = model.steps.filter(hasAttention);
    const windows = attending.map(({ block }) => model.config.windows[block] ?? ("all" as const));
    const session = model.session();
    return { logits: (await session.feed(tokens)).slice(), windows };
  } finally {
    await model.dispose();
  }
}

function standardDeviation(values: Float32Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
