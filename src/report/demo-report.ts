/** What the main job found, as the data of a report. */
import type { Model } from "../refrain.ts";
import type { DemoResult } from "../shrink/demo.ts";
import { formatCount, formatDuration, formatShortCount } from "./format.ts";
import type { ReportData, VariantRow } from "./html.ts";
import { shortName } from "./short-name.ts";
import { choiceInWords } from "./similarity-report.ts";

/** What was trained afterwards, and what was not, must be said beside the figures. */
export function trainedInWords({ healed }: DemoResult): string {
  const untrained = "A model that was not made for it loses much by dropping and sharing, first in what it says.";
  if (!healed) return `${untrained} Nothing was trained afterwards; healing is what wins it back.`;
  const { seconds, tokens, parameters } = healed;
  return `${untrained} The last version has learned for ${formatDuration(seconds)} from what the whole model says of ${formatCount(tokens)} tokens of another part of the text (${formatShortCount(parameters)} trained numbers); what that buys depends on the machine.`;
}

export interface DemoConditions extends Pick<ReportData, "date" | "machine" | "engine" | "prompt" | "commands"> {
  /** Name of the text. */
  readonly text: string;
}

export function demoReport(model: Model, result: DemoResult, conditions: DemoConditions): ReportData {
  const { similarity, dropped, variants } = result;
  const { text, ...rest } = conditions;
  const name = shortName(model.name);
  const { perplexity, speed } = variants[0]!.profile;
  return {
    ...rest,
    title: `Refrain: ${name}`,
    model: name,
    remark: trainedInWords(result),
    text: { name: text, tokens: perplexity.tokens },
    similarity: { text, measured: similarity },
    variants: variants.map((variant, i): VariantRow => {
      const { profile, steps } = variant;
      return {
        name: variant.name,
        schedule: profile.schedule,
        // What was dropped is drawn in its place among the steps that were there before.
        ...(i === 1 ? { steps: model.steps, dropped } : { steps }),
        uniqueParameters: profile.cost.uniqueParameters,
        effectiveParameters: profile.cost.effectiveParameters,
        bytes: profile.weightBytes,
        kvBytesPerToken: profile.kvBytesPerToken,
        perplexity: profile.perplexity.perplexity,
        tasks: profile.tasks,
        tokensPerSecond: profile.speed.tokensPerSecond,
        sample: profile.sample ?? "",
      };
    }),
    notes: [
      choiceInWords(model.steps, { by: "angular", dropped, rival: result.rival }),
      "Shared are the pairs of neighbours, among the layers that are left, that turn the hidden state least together: the first of the two is played twice.",
      `The choice was made on the first ${formatCount(similarity.tokens)} tokens of ${text}, perplexity is of the ${formatCount(perplexity.tokens)} behind them, in windows of ${formatCount(perplexity.window)}, ${formatCount(perplexity.stride)} apart, as transformers' documentation defines it.`,
      `Speed is the median of ${formatCount(speed.tokens)} tokens after a prompt of 16: an indication.`,
    ],
  };
}
