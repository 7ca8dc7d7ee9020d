/** What candidates cost, without loading any; speeds as the profile of this device predicts them. */
import { nodeHost } from "../engine/wasm/node-host.ts";
import { inputError } from "../errors.ts";
import { modelCost } from "../measure/cost.ts";
import { profilePath, readProfile, thisDevice } from "../measure/device/profile-file.ts";
import { predictSpeed } from "../measure/predict-model.ts";
import type { Model } from "../refrain.ts";
import { type Budget, overspent, type Price } from "./budget.ts";
import type { Smaller, Weights } from "./candidates.ts";

/** What a price depends on. */
export type Priceable = Pick<Smaller, "steps" | "config">;

export interface Pricing {
  of(smaller: Priceable, weights: Weights): Price;
  /** Of the model as it is. */
  readonly whole: Price;
  /** What is spent of the budget: more than 1 is too much. */
  spent(price: Price): number;
}

/** Throws `device-profile` where the budget is of speed and this device has no profile. */
export async function pricing(model: Model, budget: Budget): Promise<Pricing> {
  const predict = budget.kind === "speed" ? await predictor(model) : undefined;
  const of = (smaller: Priceable, weights: Weights): Price => {
    const { bytes, uniqueParameters } = modelCost(smaller.config ?? model.config, smaller.steps);
    const seconds = predict?.(smaller, weights);
    return { bytes: bytes[weights], parameters: uniqueParameters, ...(seconds !== undefined && { seconds }) };
  };
  const now = predict?.(model, "file");
  const whole: Price = { ...of(model, "f16"), ...(now !== undefined && { seconds: now }) };
  return { of, whole, spent: (price) => overspent(budget, price, whole) };
}

async function predictor(model: Model): Promise<(smaller: Priceable, weights: Weights | "file") => number> {
  const profile = await readProfile(profilePath(await thisDevice(nodeHost), undefined));
  if (!profile) {
    throw inputError(
      "device-profile",
      "--speed needs to know how fast this device is, and it has not been measured",
      "Run `refrain device` once, with nothing else going on.",
    );
  }
  const checkpoint = await model.open();
  const stored = new Map([...checkpoint.tensors].map(([name, { type }]) => [name, type]));
  await checkpoint.close();
  const measured = profile.measurements.at(-1)!;
  const context = Math.min(model.config.contextLength, 512);
  return ({ steps, config = model.config }, weights) =>
    predictSpeed(config, steps, weights === "file" ? stored : new Map(), weights, context, measured).decode.seconds;
}
