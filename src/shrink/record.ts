/** What was done to a model, as `shrink.json` beside its weights has it: the same work gives the same bytes. */
import type { Similarity } from "../measure/similarity.ts";
import { type Model, resolveSchedule } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import { version } from "../version.ts";
import type { Method } from "./method.ts";

export interface ShrinkRecord {
  /** As the model was named. */
  readonly source: string;
  /** The model's own schedule and the one that was written, in the source's block numbers. */
  readonly before: string;
  readonly after: string;
  /** The steps of `before` that are gone, counted from 0; empty where the schedule was given by hand. */
  readonly dropped: readonly number[];
  /** How they were chosen. */
  readonly method?: {
    readonly name: string;
    readonly paper: string;
    readonly text: CalibrationText;
    /** How weights were kept while it was measured; "file": as the file has them. */
    readonly weights: string;
    /** What the method went by: Block Influence of every step, or the distance of every run of that length. */
    readonly scores: readonly number[];
  };
  readonly unrolled: boolean;
  readonly refrain: string;
}

export interface CalibrationText {
  readonly name: string;
  /** Of the whole file. */
  readonly sha256: string;
  /** What was read of it, from its beginning. */
  readonly tokens: number;
  readonly windows: number;
}

/** What a method went by when it dropped steps of `model`. */
export interface Measurement {
  readonly method: Method;
  readonly dropped: readonly number[];
  readonly similarity: Similarity;
  readonly text: { readonly name: string; readonly sha256: string };
  readonly weights: string;
}

/** The record of writing `shrunk`; without a measurement its schedule was given by hand. */
export function shrinkRecord(shrunk: Model, unrolled: boolean, measurement?: Measurement): ShrinkRecord {
  return {
    source: shrunk.name,
    before: printSteps(resolveSchedule(shrunk.config, undefined)),
    after: shrunk.schedule,
    dropped: measurement?.dropped ?? [],
    ...(measurement && { method: methodRecord(measurement) }),
    unrolled,
    refrain: version,
  };
}

function methodRecord({
  method,
  dropped,
  similarity,
  text,
  weights,
}: Measurement): NonNullable<ShrinkRecord["method"]> {
  const { tokens, windows } = similarity;
  return {
    name: method.name,
    paper: method.paper,
    text: { name: text.name, sha256: text.sha256, tokens, windows },
    weights,
    scores: method.scores(similarity, dropped.length),
  };
}
