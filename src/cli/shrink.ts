/** `refrain shrink`: writes a smaller model, opens it again and plays it before it says so. */
import { inputError } from "../errors.ts";
import { modelCost } from "../measure/cost.ts";
import { observeText } from "../measure/observe.ts";
import { type Model, resolveSchedule } from "../refrain.ts";
import { formatBytes, formatCount, formatNumber, formatPercent } from "../report/format.ts";
import { choiceInWords } from "../report/similarity-report.ts";
import { textTable } from "../report/table.ts";
import { describe } from "../schedule/describe.ts";
import { printSteps } from "../schedule/print.ts";
import { checkDrop } from "../shrink/method.ts";
import { type Measurement, shrinkRecord } from "../shrink/record.ts";
import { choose, requireFree, type Written, writeAndVerify } from "../shrink/shrink.ts";
import { readText, type TextFile } from "../text/read-text.ts";
import { type CommandContext, defineRefrainCommand } from "./define.ts";
import { withModel } from "./model.ts";
import { argument, flag, modelOptions, text, type ValuesOf } from "./options.ts";
import { quoted } from "./quoted.ts";
import { dropOptions, needText, textOption, windowOptions } from "./text-options.ts";

const options = {
  model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
  out: text({ hint: "OUT", alias: "o", description: "the folder to write" }),
  ...dropOptions,
  text: textOption,
  ...windowOptions,
  schedule: text({ hint: "SCHEDULE", description: 'write this schedule instead of choosing, e.g. "0-20 27-29"' }),
  unrolled: flag({
    description: "write every played block out, so that tools without schedules play the same model",
  }),
  overwrite: flag({ description: "replace OUT, if Refrain wrote it" }),
  weights: modelOptions.weights,
  threads: modelOptions.threads,
} as const;

type Values = ValuesOf<typeof options>;

export const command = defineRefrainCommand({
  options,
  run: async (values, { output, signal, onProgress }) => {
    const { overwrite, unrolled, threads } = values;
    const out = checkOptions(values);
    const file = values.drop === undefined ? undefined : await readText(needText(values.text, "shrink --drop"));
    await withModel(values.model, { ...values, context: undefined }, { signal, onProgress }, async (model) => {
      await requireFree(model, out, overwrite);
      const found = file && (await measure(model, file, values, { signal, onProgress }));
      const shrunk = model.withSchedule(found?.after ?? model.schedule);
      try {
        const record = shrinkRecord(shrunk, unrolled, found?.measurement);
        const check = { unrolled, overwrite, threads, signal, onProgress };
        const written = await writeAndVerify(shrunk, out, record, check);
        const inWords = describe(shrunk.steps, model.config.blocks);
        const whole = resolveSchedule(model.config, undefined);
        const parameters = {
          source: modelCost(model.config, whole).uniqueParameters,
          written: writtenParameters(shrunk, unrolled),
        };
        output.result(
          { out, ...record, inWords, parameters, ...written },
          [
            ...(found ? [found.inWords] : []),
            `${out} plays "${record.after}" of ${values.model}${unrolled ? ", unrolled" : ""}. ${inWords}`,
            sizes(parameters, written),
            checked(written),
            next(values, out),
          ].join("\n\n"),
        );
      } finally {
        await shrunk.dispose();
      }
    });
  },
});

/** The folder to write; refuses what contradicts itself before anything is read. */
function checkOptions({ out, drop, schedule, text }: Values): string {
  if (out === undefined) {
    throw inputError("option-missing", "refrain shrink: -o OUT is missing", "Name a new folder.");
  }
  if ((drop === undefined) === (schedule === undefined)) {
    throw inputError(
      drop === undefined ? "option-missing" : "option-conflict",
      `refrain shrink: expected one of --drop N and --schedule "…", got ${drop === undefined ? "neither" : "both"}`,
      '--drop 6 lets a measurement choose; --schedule "0-20 27-29" says it yourself.',
    );
  }
  if (drop === undefined && text !== undefined) {
    throw inputError(
      "option-conflict",
      "refrain shrink: --text goes with --drop; a schedule that is given needs no measurement",
      "Leave --text out. `refrain compare` measures what the schedule costs.",
    );
  }
  return out;
}

async function measure(
  model: Model,
  file: TextFile,
  { drop, by, window, windows, weights }: Values,
  { signal, onProgress }: Pick<CommandContext, "signal" | "onProgress">,
): Promise<{ after: string; inWords: string; measurement: Measurement }> {
  checkDrop(model.steps.length, drop!);
  const similarity = await observeText(model, file.text, { window, windows, signal, onProgress });
  const { steps, dropped } = choose(model.steps, by, similarity, drop!);
  const inWords = choiceInWords(model.steps, by, similarity, dropped);
  const measurement = { method: by, dropped, similarity, text: file, weights: weights ?? "file" };
  return { after: printSteps(steps), inWords, measurement };
}

/** Unrolled, every played block is stored. */
function writtenParameters({ config, steps }: Model, unrolled: boolean): number {
  const { uniqueParameters, effectiveParameters } = modelCost(config, steps);
  return unrolled ? effectiveParameters : uniqueParameters;
}

function sizes(parameters: { readonly source: number; readonly written: number }, { bytes }: Written): string {
  const table = textTable(
    [{ title: "", align: "left" }, { title: "before" }, { title: "after" }, { title: "" }],
    [
      [
        "parameters",
        formatCount(parameters.source),
        formatCount(parameters.written),
        formatPercent(parameters.written / parameters.source, 1),
      ],
      [
        "weights on disk",
        formatBytes(bytes.source),
        formatBytes(bytes.written),
        formatPercent(bytes.written / bytes.source, 1),
      ],
    ],
  );
  const perWeight = (where: "source" | "written") => bytes[where] / parameters[where];
  // More bytes for a weight than before: the source was quantized.
  if (perWeight("written") < 1.2 * perWeight("source")) return table;
  return `${table}\nQuantized weights were written as F16. --weights q4 keeps them in 4 bits in memory.`;
}

function checked({ verification: { difference, tokens, weights } }: Written): string {
  const how =
    difference === 0
      ? "the same logits as the source, to the bit"
      : `logits within ${formatNumber(difference, 2)} standard deviations of the source's`;
  return `Opened again and played on ${tokens} tokens in ${weights}: ${how}.`;
}

function next({ model, text }: Values, out: string): string {
  return [
    `Next: refrain compare ${quoted(model)} ${quoted(out)} --text ${text === undefined ? "FILE" : quoted(text)}`,
    `      refrain run ${quoted(out)} "Once upon a time"`,
  ].join("\n");
}
