/**
 * What can be said of a model before anything of it is loaded: from its config, the list of its tensors, and a schedule. Nothing is
 * measured here, and no weight is read.
 */
import type { CacheType } from "../engine/attention-layout.ts";
import { parameterBytes } from "../engine/parameter.ts";
import { RefrainError } from "../errors.ts";
import type { ModelConfig } from "../model/config.ts";
import { findTensor, storageType, type WeightChoice } from "../model/load-weights.ts";
import { parametersPlayed } from "../model/network.ts";
import { describe } from "../schedule/describe.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import type { Checkpoint, StoredTensor, StoredType } from "../weights/checkpoint.ts";
import { type Cost, decodeFlops, modelCost } from "./cost.ts";
import type { Measurement } from "./device/profile.ts";
import { predictSpeed, type SpeedPrediction } from "./predict-model.ts";

export interface Inspection {
  readonly format: Checkpoint["format"];
  readonly path: string;
  readonly config: ModelConfig;
  readonly file: {
    readonly tensors: number;
    /** Bytes of all tensors; headers and vocabularies are not counted. */
    readonly bytes: number;
    readonly bytesByType: Readonly<Partial<Record<StoredType, number>>>;
  };
  /** The checkpoint's own schedule, then the others that were asked for. */
  readonly schedules: readonly ScheduleInspection[];
  readonly tensors: readonly StoredTensor[];
  /** Why the model cannot be played as it is: tensors that are missing or of another shape than the config says. */
  readonly problems: readonly string[];
}

export interface ScheduleInspection {
  readonly schedule: string;
  readonly inWords: string;
  readonly cost: Cost;
  /** Bytes of the weights in memory, as each choice of --weights keeps them; "file" is the default. */
  readonly memory: Readonly<Record<WeightChoice, number>>;
  /** Bytes of the cache for `context` tokens, as each choice of --cache keeps it. */
  readonly cache: { readonly context: number; readonly bytes: Readonly<Record<CacheType, number>> };
  /** Floating-point operations for one token: the first one, and the last that fits `context`. */
  readonly flops: { readonly first: number; readonly last: number };
  /** Predicted, for each choice of --weights, where a profile of the device is known. */
  readonly speed?: Readonly<Record<WeightChoice, SpeedPrediction>>;
}

/** `schedules`: the model's own first. `context` is the length of a session in tokens; `measured` is what speeds are predicted from. */
export function inspect(
  checkpoint: Checkpoint,
  config: ModelConfig,
  schedules: readonly [own: Steps, ...others: Steps[]],
  context: number,
  measured?: Measurement,
): Inspection {
  const tensors = [...checkpoint.tensors.values()];
  const bytesByType: Partial<Record<StoredType, number>> = {};
  for (const { type, byteLength } of tensors) bytesByType[type] = (bytesByType[type] ?? 0) + byteLength;
  return {
    format: checkpoint.format,
    path: checkpoint.path,
    config,
    file: { tensors: tensors.length, bytes: tensors.reduce((sum, t) => sum + t.byteLength, 0), bytesByType },
    schedules: schedules.map((steps) => inspectSchedule(config, steps, tensors, context, measured)),
    tensors,
    problems: problems(checkpoint, config, schedules[0]),
  };
}

function inspectSchedule(
  config: ModelConfig,
  steps: Steps,
  tensors: readonly StoredTensor[],
  context: number,
  measured: Measurement | undefined,
): ScheduleInspection {
  const cost = modelCost(config, steps);
  const stored = new Map(tensors.map(({ name, type }) => [name, type]));
  const parameters = parametersPlayed(config, steps);
  const forEach = <T>(of: (choice: WeightChoice) => T): Record<WeightChoice, T> => ({
    file: of("file"),
    f32: of("f32"),
    f16: of("f16"),
    q8: of("q8"),
    q4: of("q4"),
  });
  const memory = (choice: WeightChoice) =>
    parameters.reduce((sum, p) => sum + parameterBytes(p, storageType(stored.get(p.name) ?? "F32", choice)), 0);
  return {
    schedule: printSteps(steps),
    inWords: describe(steps, config.blocks),
    cost,
    memory: forEach(memory),
    cache: {
      context,
      bytes: { f32: context * cost.kvBytesPerToken.f32, q8: context * cost.kvBytesPerToken.q8 },
    },
    flops: { first: decodeFlops(config, steps, 0), last: decodeFlops(config, steps, context - 1) },
    // An encoder decodes no tokens.
    ...(measured &&
      !config.bidirectional && {
        speed: forEach((choice) => predictSpeed(config, steps, stored, choice, context, measured)),
      }),
  };
}

function problems(checkpoint: Checkpoint, config: ModelConfig, steps: Steps): string[] {
  return parametersPlayed(config, steps).flatMap((parameter) => {
    try {
      findTensor(checkpoint, parameter);
      return [];
    } catch (error) {
      if (!RefrainError.is(error)) throw error;
      return [error.message];
    }
  });
}
