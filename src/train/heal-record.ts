/** What was healed, and how, as `heal.json` has it: the same work on the same number of steps gives the same record. */
import type { Model } from "../refrain.ts";
import type { TextFile } from "../text/read-text.ts";
import { version } from "../version.ts";
import type { HealResult } from "./heal.ts";

export type HealRecord = ReturnType<typeof healRecord>;

export function healRecord(
  { name, schedule }: Pick<Model, "name" | "schedule">,
  text: Pick<TextFile, "name" | "sha256">,
  { settings, runSteps, parameters, before, after }: HealResult,
) {
  const perplexities = { before: Math.exp(before), after: Math.exp(after) };
  return {
    source: name,
    schedule,
    text: { name: text.name, sha256: text.sha256 },
    settings,
    runSteps,
    parameters,
    losses: { before, after },
    perplexities,
    refrain: version,
  };
}
