/** `refrain shrink`: writes a smaller model, opens it again and plays it before it says so. */
import { inputError } from "../errors.ts";
import { modelCost } from "../measure/cost.ts";
import { observeModel } from "../measure/observe.ts";
import type { Model } from "../refrain.ts";
import { formatBytes, formatCount, formatPercent, formatRanges } from "../report/format.ts";
import { describe } from "../schedule/describe.ts";
import { printSteps } from "../schedule/print.ts";
import { findMethod } from "../shrink/methods.ts";
import { choose, type ShrinkRecord, writeAndVerify } from "../shrink/shrink.ts";
import { firstTokens, readText } from "../text/read-text.ts";
import { version } from "../version.ts";
import { type CommandContext, defineRefrainCommand } from "./define.ts";
import { withModel } from "./model.ts";
import { argument, flag, modelOptions, text } from "./options.ts";
import { dropOptions, needText, textOption, windowOptions } from "./text-options.ts";

export const command = defineRefrainCommand({
  options: {
    model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
    out: text({ hint: "OUT", alias: "o", description: "the folder to write" }),
    ...dropOptions,
    text: textOption,
    ...windowOptions,
    ...modelOptions,
    schedule: text({ hint: "SCHEDULE", description: 'write this schedule instead of choosing, e.g. "0-20 27-29"' }),
    unrolled: flag({
      description: "write every played block out, so that tools without schedules play the same model",
    }),
    overwrite: flag({ description: "replace OUT, if Refrain wrote it" }),
  },
  run: async (values, { output, signal, onProgress }) => {
    const { out, drop, schedule } = values;
    if (out === undefined)
      throw inputError("option-missing", "refrain shrink: -o OUT is missing", "Name a new folder.");
    if ((drop === undefined) === (schedule === undefined)) {
      throw inputError(
        "option-missing",
        `refrain shrink: expected one of --drop N and --schedule "…", got ${drop === undefined ? "neither" : "both"}`,
        '--drop 6 lets a measurement choose; --schedule "0-20 27-29" says it yourself.',
      );
    }
    // What --drop chooses from is the model as it is; a schedule given by hand may leave blocks unread.
    await withModel(values.model, values, { signal, onProgress }, async (model) => {
      const { record, shrunk } = await choice(model, values, { signal, onProgress });
      try {
        const { unrolled, overwrite, threads } = values;
        const checked = await writeAndVerify(shrunk, out, record, { unrolled, overwrite, threads, signal, onProgress });
        const before = modelCost(model.config, record.dropped.length > 0 ? model.steps : whole(model.config.blocks));
        const after = modelCost(model.config, shrunk.steps);
        const inWords = describe(shrunk.steps, model.config.blocks);
        const parameters = { before: before.uniqueParameters, after: after.uniqueParameters };
        output.result(
          { out, ...record, inWords, parameters, verified: checked },
          [
            `${out}: "${record.after}". ${inWords}`,
            ...(record.dropped.length > 0 ? [`Dropped steps: ${formatRanges(record.dropped)} (counted from 0).`] : []),
            `Parameters: ${formatCount(parameters.before)} → ${formatCount(parameters.after)} (${formatPercent(parameters.after / parameters.before, 1)}); in f16 ${formatBytes(before.bytes.f16)} → ${formatBytes(after.bytes.f16)}.`,
            `Written, opened again and played on ${checked.tokens} tokens: logits within ${checked.worstLogit.toPrecision(2)} of the model in memory.`,
            `Next: refrain compare ${values.model} ${out}${values.text ? ` --text ${values.text}` : " --text FILE"}`,
          ].join("\n"),
        );
      } finally {
        await shrunk.dispose();
      }
    });
  },
});

const whole = (blocks: number) => Array.from({ length: blocks }, (_, block) => ({ block, part: "block" as const }));

async function choice(
  model: Model,
  values: {
    readonly drop: number | undefined;
    readonly by: string;
    readonly text: string | undefined;
    readonly window: number;
    readonly windows: number;
    readonly unrolled: boolean;
  },
  { signal, onProgress }: Pick<CommandContext, "signal" | "onProgress">,
): Promise<{ record: ShrinkRecord; shrunk: Model }> {
  const { drop, window, windows, unrolled } = values;
  const common = { source: model.name, before: model.schedule, unrolled, refrain: version };
  if (drop === undefined) {
    return { record: { ...common, after: model.schedule, dropped: [] }, shrunk: model.withSchedule(model.schedule) };
  }
  const file = await readText(needText(values.text, "shrink --drop"));
  const method = findMethod(values.by);
  const tokens = firstTokens(model.needTokenizer(), file.text, window * windows);
  const measured = await observeModel(model, tokens, { window, windows, signal, onProgress });
  const { steps, dropped } = choose(model.steps, method, measured, drop);
  const after = printSteps(steps);
  const text = { name: file.name, sha256: file.sha256, tokens: measured.tokens, windows: measured.windows };
  const scores = method.name === "angular" ? measured.angular[drop - 1]! : measured.influence;
  const record = { ...common, after, dropped, method: { name: method.name, paper: method.paper, text, scores } };
  return { record, shrunk: model.withSchedule(after) };
}
