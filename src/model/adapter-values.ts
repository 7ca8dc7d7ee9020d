/** The numbers of an adapter: from a folder and back, and into the memory of a player. */
import type { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { inputError } from "../errors.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import type { StoredAdapter } from "../weights/peft.ts";
import { type Adapter, adapterPair, adapterParameters, isLinear, moduleOf } from "./adapter.ts";
import type { ModelConfig } from "./config.ts";
import { familyOf } from "./families.ts";

/** By the names of the adapter's parameters, row-major. */
export type AdapterValues = ReadonlyMap<string, Float32Array>;

/**
 * The adapter of a folder for this model. Errors: `adapter-base` where it is for another model, `adapter-schedule` where its pairs
 * belong to the steps of another schedule.
 */
export function bindAdapter(
  stored: StoredAdapter,
  config: ModelConfig,
  steps: Steps,
  { path, name = "default" }: { readonly path: string; readonly name?: string },
): { readonly adapter: Adapter; readonly values: AdapterValues } {
  const weights = new Map(linearWeights(config).map((weight) => [moduleOf(weight), weight]));
  const another = (problem: string) => {
    const made = stored.base === undefined ? "" : ` (it was made for ${stored.base})`;
    return inputError(
      "adapter-base",
      `${path} is for another model: ${problem}${made}`,
      "Name the model that it was made for.",
    );
  };
  const own = stored.schedule === undefined ? undefined : expand(parseSchedule(stored.schedule));
  refuseOtherSteps(stored, own, steps, path);
  const values = new Map<string, Float32Array>();
  const pairs = stored.pairs.map(({ module, step, a, b }) => {
    const weight = weights.get(module);
    if (!weight) throw another(`this one has no linear map ${module} that can be adapted`);
    if (a.columns !== weight.columns || b.rows !== weight.rows) {
      throw another(`${module} is [${weight.rows}, ${weight.columns}] here, [${b.rows}, ${a.columns}] there`);
    }
    const pair = adapterPair(name, weight, stored.rank, step);
    values.set(pair.a.name, a.values).set(pair.b.name, b.values);
    return pair;
  });
  return { adapter: { name, rank: stored.rank, alpha: stored.alpha, pairs }, values };
}

function linearWeights(config: ModelConfig) {
  const family = familyOf(config);
  const blocks = Array.from({ length: config.blocks }, (_, block) => family.block(config, block).filter(isLinear));
  // A head that is the table of embeddings has no adapter of its own.
  return [...blocks.flat(), ...family.outer(config).filter(({ part }) => part === "head")];
}

/** Pairs of steps mean something only in the schedule that they were made for: `own`. */
export function refuseOtherSteps(
  { pairs }: { readonly pairs: readonly { readonly step?: number | undefined }[] },
  own: Steps | undefined,
  steps: Steps,
  what: string,
): void {
  if (pairs.every(({ step }) => step === undefined)) return;
  const [made, played] = [own && printSteps(own), printSteps(steps)];
  if (made === played) return;
  throw inputError(
    "adapter-schedule",
    `${what} adapts the steps of ${made === undefined ? "a schedule that it does not name" : `"${made}"`}, but "${played}" is played`,
    ...(made === undefined ? [] : [`Play its own schedule: --schedule "${made}".`]),
  );
}

/** What a folder holds of an adapter with these values. */
export function toStored(
  { rank, alpha, pairs }: Adapter,
  values: AdapterValues,
  { base, schedule }: Pick<StoredAdapter, "base" | "schedule">,
): StoredAdapter {
  const matrix = ({ name, rows, columns }: (typeof pairs)[number]["a"]) => ({
    rows,
    columns,
    values: values.get(name)!,
  });
  const stored = pairs.map(({ weight, step, a, b }) => ({
    module: moduleOf(weight),
    step,
    a: matrix(a),
    b: matrix(b),
  }));
  return { rank, alpha, base, schedule, pairs: stored };
}

/** Takes memory for an adapter and writes its values there. */
export function placeAdapter(store: ParameterStore, adapter: Adapter, values: AdapterValues): void {
  for (const parameter of adapterParameters(adapter)) {
    store.reserve(parameter, "f32");
    store.writeRows(parameter, 0, values.get(parameter.name)!);
  }
}
