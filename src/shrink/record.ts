/** What was done to a model, as `shrink.json` beside its weights has it: the same work gives the same bytes. */
import { type Model, resolveSchedule } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import type { HealRecord } from "../train/heal-record.ts";
import { version } from "../version.ts";
import type { Amount } from "./amount.ts";
import type { Budget } from "./budget.ts";
import type { Calibration, Json, Method, Shrunk } from "./method.ts";

export interface ShrinkRecord {
  /** As the model was named. */
  readonly source: string;
  /** The model's own schedule and the one that was written, in the source's block numbers. */
  readonly before: string;
  readonly after: string;
  /** The steps of `before` that are gone, counted from 0; empty where the schedule was given by hand. */
  readonly dropped: readonly number[];
  /** `dropped` counts halves: 2i is the attention of step i, 2i + 1 its feed-forward, where `before` plays whole blocks. */
  readonly halves?: boolean;
  /** How they were chosen. */
  readonly method?: MethodRecord;
  /** What it learned afterwards. */
  readonly healed?: HealRecord;
  readonly unrolled: boolean;
  readonly refrain: string;
}

export interface MethodRecord {
  readonly name: string;
  readonly paper: string;
  /** All of its options, those that nobody gave too. */
  readonly options: { readonly [key: string]: Json };
  readonly amount?: Amount | Budget;
  readonly text?: CalibrationText;
  /** How weights were kept while it was measured; "file": as the file has them. */
  readonly weights: string;
  /** What the method went by, and whatever else it says of its choices. */
  readonly scores: Json;
  readonly [key: string]: Json | Amount | Budget | CalibrationText | undefined;
}

export interface CalibrationText {
  readonly name: string;
  /** Of the whole file. */
  readonly sha256: string;
  /** What was read of it, from its beginning. */
  readonly tokens: number;
  readonly windows: number;
}

/** The record of writing `written`; without a method its schedule was given by hand. */
export function shrinkRecord(written: Model, unrolled: boolean, shrunk?: Shrunk, method?: MethodRecord): ShrinkRecord {
  return {
    source: written.name,
    before: printSteps(resolveSchedule(written.config, undefined)),
    after: written.schedule,
    dropped: shrunk?.dropped ?? [],
    ...(shrunk?.halves && { halves: true }),
    ...(method && { method }),
    unrolled,
    refrain: version,
  };
}

interface Told {
  readonly method: Method;
  readonly values: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly amount: Amount | Budget | undefined;
  readonly calibration: Calibration | undefined;
  readonly weights: string;
}

export function methodRecord({ method, values, amount, calibration, weights }: Told, shrunk: Shrunk): MethodRecord {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return {
    name: method.name,
    paper: method.paper,
    options: Object.fromEntries(given),
    ...(amount && { amount }),
    ...(calibration && {
      text: { ...calibration.text, tokens: calibration.tokens.length, windows: calibration.windows },
    }),
    weights,
    ...shrunk.record,
    scores: shrunk.scores,
  };
}
