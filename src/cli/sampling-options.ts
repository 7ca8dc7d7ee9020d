/** The options of every command that makes text, and the rates that it made it at. */
import type { GenerateOptions, GenerateStats } from "../generate/generate.ts";
import { samplerDefaults } from "../generate/sampler.ts";
import { formatCount, formatRate } from "../report/format.ts";
import { integer, number, texts, type ValuesOf, withDefault } from "./options.ts";

const whole = { min: 0, max: Number.MAX_SAFE_INTEGER, hint: "N" } as const;

export const samplingOptions = {
  temperature: withDefault(
    number({ hint: "T", min: 0, max: 100, description: "how boldly to choose; 0 always takes the likeliest token" }),
    samplerDefaults.temperature,
  ),
  "top-k": withDefault(
    integer({ ...whole, description: "choose among the K likeliest tokens; 0 is off", hint: "K" }),
    samplerDefaults.topK,
  ),
  "top-p": withDefault(
    number({
      hint: "P",
      min: 0,
      aboveMin: true,
      max: 1,
      description: "choose among the fewest tokens that have this share of the probability; 1 is off",
    }),
    samplerDefaults.topP,
  ),
  "min-p": withDefault(
    number({
      hint: "P",
      min: 0,
      max: 1,
      description: "leave out tokens with less than this share of the likeliest one's probability; 0 is off",
    }),
    samplerDefaults.minP,
  ),
  "repetition-penalty": withDefault(
    number({
      hint: "R",
      min: 0,
      aboveMin: true,
      max: 10,
      description: "make the last 64 tokens less likely; 1 is off",
    }),
    samplerDefaults.repetitionPenalty,
  ),
  seed: integer({ ...whole, description: "the same seed gives the same text (default: another one each time)" }),
  stop: texts({ hint: "TEXT", description: "end before this text; may be given several times" }),
} as const;

/** With the seed that was chosen where none was given, so that it can be told. */
export function sampling(values: ValuesOf<typeof samplingOptions>): GenerateOptions & { readonly seed: number } {
  return {
    temperature: values.temperature,
    topK: values["top-k"],
    topP: values["top-p"],
    minP: values["min-p"],
    repetitionPenalty: values["repetition-penalty"],
    seed: values.seed ?? Math.floor(Math.random() * 2 ** 32),
    stop: values.stop,
  };
}

/** Null where nothing was read or made. */
export interface Rates {
  readonly promptTokensPerSecond: number | null;
  readonly decodeTokensPerSecond: number | null;
}

export function rates({ promptTokens, promptSeconds, decodedTokens, decodeSeconds }: GenerateStats): Rates {
  const rate = (tokens: number, seconds: number) => (tokens > 0 && seconds > 0 ? tokens / seconds : null);
  return {
    promptTokensPerSecond: rate(promptTokens, promptSeconds),
    decodeTokensPerSecond: rate(decodedTokens, decodeSeconds),
  };
}

/** "5 prompt tokens (812 tok/s), 64 new tokens (240 tok/s)" */
export function ratesInWords(stats: GenerateStats): string {
  const { promptTokensPerSecond, decodeTokensPerSecond } = rates(stats);
  const tokens = (count: number, kind: string, rate: number | null) =>
    `${formatCount(count)} ${kind} ${count === 1 ? "token" : "tokens"}${rate === null ? "" : ` (${formatRate(rate, "tok")})`}`;
  const read = tokens(stats.promptTokens, "prompt", promptTokensPerSecond);
  return `${read}, ${tokens(stats.generatedTokens, "new", decodeTokensPerSecond)}`;
}
