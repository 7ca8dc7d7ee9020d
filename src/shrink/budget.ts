/** What a model may cost, for a search that looks for the best one that costs no more. */
import { inputError } from "../errors.ts";
import { formatBytes, formatNumber } from "../report/format.ts";

export type Budget =
  /** Bytes of weights in memory. */
  | { readonly kind: "fit"; readonly bytes: number }
  /** Share of the unique parameters. */
  | { readonly kind: "params"; readonly share: number }
  /** How many times as many tokens a second it is to decode. */
  | { readonly kind: "speed"; readonly ratio: number };

export interface Price {
  /** Of the weights in memory. */
  readonly bytes: number;
  /** Unique. */
  readonly parameters: number;
  /** Of decoding a token, as predicted for this device; only where the budget is of speed. */
  readonly seconds?: number;
}

/** `whole` is the price of the model as it is. */
function within(budget: Budget, price: Price, whole: Price): boolean {
  return overspent(budget, price, whole) <= 1;
}

/** What is spent of the budget: more than 1 is too much. */
export function overspent(budget: Budget, price: Price, whole: Price): number {
  if (budget.kind === "fit") return price.bytes / budget.bytes;
  if (budget.kind === "params") return price.parameters / whole.parameters / budget.share;
  return (budget.ratio * price.seconds!) / whole.seconds!;
}

/** Throws `budget` where even `smallest`, described by `what`, costs more. */
export function refuseUnlessWithin(budget: Budget, smallest: Price, whole: Price, what: string): void {
  if (within(budget, smallest, whole)) return;
  const [wanted, reached] =
    budget.kind === "fit"
      ? [`fits ${formatBytes(budget.bytes)}`, formatBytes(smallest.bytes)]
      : budget.kind === "params"
        ? [`has ${budget.share} of the parameters`, formatNumber(smallest.parameters / whole.parameters, 4)]
        : [`is ${budget.ratio} times as fast`, `${formatNumber(whole.seconds! / smallest.seconds!, 3)} times`];
  throw inputError(
    "budget",
    `nothing that this search can make of the model ${wanted}: the least is ${reached}, ${what}`,
    `Give a budget of at least that, or begin with a smaller model.`,
  );
}
