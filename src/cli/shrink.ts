/** `refrain shrink`: writes a smaller model, opens it again and plays it before it says so. */
import { inputError } from "../errors.ts";
import { modelCost } from "../measure/cost.ts";
import { type Model, resolveSchedule } from "../refrain.ts";
import { formatBytes, formatCount, formatNumber, formatPercent } from "../report/format.ts";
import { frontFiles } from "../report/front-report.ts";
import { choiceInWords } from "../report/similarity-report.ts";
import { textTable } from "../report/table.ts";
import { describe } from "../schedule/describe.ts";
import { halves } from "../schedule/edits.ts";
import { renumber } from "../schedule/unroll.ts";
import type { Amount } from "../shrink/amount.ts";
import { autoMethod } from "../shrink/auto.ts";
import type { Budget } from "../shrink/budget.ts";
import { angularMethod } from "../shrink/by-similarity.ts";
import { healShrunk } from "../shrink/heal-shrunk.ts";
import type { Method, Shrunk } from "../shrink/method.ts";
import { methods } from "../shrink/methods.ts";
import { shrinkRecord } from "../shrink/record.ts";
import { runMethod } from "../shrink/run-method.ts";
import { carryOut, requireFree, type Written, writeAndVerify } from "../shrink/shrink.ts";
import { readText } from "../text/read-text.ts";
import type { HealRecord } from "../train/heal-record.ts";
import { whileWriting } from "../weights/lock.ts";
import { fitOption, speedOption } from "./budget-options.ts";
import { defineRefrainCommand } from "./define.ts";
import { methodOptions, valuesOf } from "./method-options.ts";
import { withModel } from "./model.ts";
import { named } from "./named.ts";
import { argument, flag, integer, modelOptions, number, type Option, text, type ValuesOf } from "./options.ts";
import { quoted } from "./quoted.ts";
import { dropOption, needText, textOption } from "./text-options.ts";

const methodOption = named("method", methods, angularMethod);

const options = {
  model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
  out: text({ hint: "OUT", alias: "o", description: "the folder to write" }),
  drop: dropOption,
  params: number({
    hint: "SHARE",
    min: 0,
    max: 1,
    aboveMin: true,
    description: "drop until this share of the parameters is left, e.g. 0.75",
  }),
  fit: fitOption,
  speed: speedOption,
  by: {
    ...methodOption,
    read: (raw, shown) => (raw === undefined ? undefined : methodOption.read(raw, shown)),
  } as Option<Method | undefined>,
  text: textOption,
  window: integer({
    hint: "N",
    min: 2,
    max: 1_048_576,
    description: "tokens of a window (default: the method's, or what the model's context holds)",
  }),
  windows: integer({
    hint: "N",
    min: 1,
    max: 1_000_000,
    description: "most windows that are read (default: the method's)",
  }),
  schedule: text({ hint: "SCHEDULE", description: 'write this schedule instead of choosing, e.g. "0-20 27-29"' }),
  unrolled: flag({
    description: "write every played block out, so that tools without schedules play the same model",
  }),
  heal: integer({
    hint: "N",
    min: 1,
    max: 1_000_000_000,
    description: "then let it learn from the model as it was, on N tokens of the text (see refrain heal)",
  }),
  overwrite: flag({ description: "replace OUT, if Refrain wrote it" }),
  weights: modelOptions.weights,
  threads: modelOptions.threads,
} as const;

type Values = Omit<ValuesOf<typeof options>, "by"> & { readonly by: Method };

export const command = defineRefrainCommand({
  // Methods bring options of their own, which no type here can name.
  options: { ...methodOptions, ...options } as typeof options,
  run: async (given, { output, signal, onProgress }) => {
    const { fit, speed } = given;
    const by = given.by ?? (fit !== undefined || speed !== undefined ? autoMethod : angularMethod);
    const values = { ...given, by };
    const { overwrite, unrolled, threads } = values;
    const { out, chooses } = checkOptions(values);
    const own = valuesOf(by, values);
    const file =
      (chooses && by.calibration) || values.heal !== undefined
        ? await readText(needText(values.text, `shrink --by ${by.name}`))
        : undefined;
    const opened = { ...values, context: undefined };
    const shrink = async (model: Model) => {
      await requireFree(model, out, overwrite);
      const request = { method: by, values: own, amount: amountOf(values), text: file, out };
      const { window, windows, weights = "file" } = values;
      const told = { ...request, window, windows, weights, signal, onProgress };
      const found = chooses ? await runMethod(model, told) : undefined;
      const { shrunk: choice, record: method } = found ?? {};
      const shrunk = await carryOut(model, choice ?? { steps: model.steps }, { signal, onProgress });
      const healing =
        values.heal === undefined
          ? undefined
          : await healShrunk(shrunk, model, file!, out, {
              budget: { tokens: values.heal },
              note: (line) => output.note(line),
              signal,
              onProgress,
            });
      const { model: written, record: healed } = healing ?? { model: shrunk };
      try {
        const record = { ...shrinkRecord(written, unrolled, choice, method), ...(healed && { healed }) };
        const files = choice?.search && (await frontFiles(choice.search));
        const how = { unrolled, overwrite, files, threads, signal, onProgress };
        const safe = await writeAndVerify(written, out, record, how);
        await Promise.all([found?.forget(), healing?.forget()]);
        // Blocks that a method made have numbers that nobody else knows.
        const { steps, kept } = renumber(written.steps);
        const inWords = choice?.edit ? describe(steps, kept.length) : describe(written.steps, model.config.blocks);
        const whole = resolveSchedule(model.config, undefined);
        const parameters = {
          source: modelCost(model.config, whole).uniqueParameters,
          written: writtenParameters(written, unrolled),
        };
        output.result(
          { out, ...record, inWords, parameters, ...safe },
          [
            ...(choice ? choiceText(model, by, choice) : []),
            `${out} plays "${record.after}" of ${values.model}${unrolled ? ", unrolled" : ""}. ${inWords}`,
            ...(healed ? [healedText(healed)] : []),
            sizes(parameters, safe),
            checked(safe),
            next(values, out, choice?.search && choice.search.tried[choice.search.chosen]!.weights),
          ].join("\n\n"),
        );
      } finally {
        await written.dispose();
      }
    };
    await whileWriting(out, () => withModel(values.model, opened, { signal, onProgress }, shrink));
  },
});

/** The folder to write, and whether a method chooses what; refuses what contradicts itself before anything is read. */
function checkOptions(values: Values): { out: string; chooses: boolean } {
  const { out, by, schedule, text, heal } = values;
  if (out === undefined) {
    throw inputError("option-missing", "refrain shrink: -o OUT is missing", "Name a new folder.");
  }
  const amounts = ["drop", "params", "fit", "speed"] as const;
  const ways = [...amounts, "schedule"]
    .filter((way) => values[way as keyof Values] !== undefined)
    .map((way) => `--${way}`);
  const hints = { drop: "N", params: "SHARE", fit: "SIZE", speed: "RATIO" };
  const expected = [...by.amounts.map((amount) => `--${amount} ${hints[amount]}`), '--schedule "…"'];
  if (ways.length > 1 || (ways.length === 0 && by.amounts.length > 0)) {
    throw inputError(
      ways.length === 0 ? "option-missing" : "option-conflict",
      `refrain shrink: expected one of ${expected.join(", ")}, got ${ways.length === 0 ? "none" : ways.join(" and ")}`,
      '--drop 6 and --params 0.75 let a method choose; --schedule "0-20 27-29" says it yourself.',
    );
  }
  const chooses = schedule === undefined;
  const amount = amounts.find((each) => values[each] !== undefined);
  if (chooses && amount !== undefined && !by.amounts.includes(amount)) {
    throw inputError(
      "option-conflict",
      `refrain shrink: ${ways[0]} does not go with --by ${by.name}`,
      expected.join(" or "),
    );
  }
  if (text !== undefined && heal === undefined && !(chooses && by.calibration)) {
    throw inputError(
      "option-conflict",
      `refrain shrink: --text goes with methods that read one; ${chooses ? by.name : "a schedule that is given"} needs no text`,
      "Leave --text out. `refrain compare` measures what it costs.",
    );
  }
  return { out, chooses };
}

function amountOf({ drop, params, fit, speed }: Values): Amount | Budget | undefined {
  if (drop !== undefined) return { kind: "drop", steps: drop };
  if (fit !== undefined) return { kind: "fit", bytes: fit };
  if (speed !== undefined) return { kind: "speed", ratio: speed };
  return params === undefined ? undefined : { kind: "params", share: params };
}

function healedText({ perplexities: { before, after }, runSteps }: HealRecord): string {
  return `Healed in ${formatCount(runSteps)} steps: perplexity on held-out text ${formatNumber(before)} before, ${formatNumber(after)} after.`;
}

function choiceText(model: Model, { name }: Method, { dropped, halves: inHalves, rival, notes }: Shrunk): string[] {
  const steps = inHalves ? halves(model.steps) : model.steps;
  return [...(dropped.length > 0 ? [choiceInWords(steps, { by: name, dropped, rival })] : []), ...notes];
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

function next({ model, text }: Values, out: string, weights: string | undefined): string {
  return [
    `Next: refrain compare ${quoted(model)} ${quoted(out)} --text ${text === undefined ? "FILE" : quoted(text)}`,
    `      refrain run ${quoted(out)} "Once upon a time"${weights === undefined ? "" : ` --weights ${weights}`}`,
  ].join("\n");
}
