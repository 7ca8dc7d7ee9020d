/** `refrain measure`: how much every step changes the hidden state. */
import { observeText } from "../measure/observe.ts";
import { shortName } from "../report/short-name.ts";
import { choiceInWords, similarityPictures, similarityText } from "../report/similarity-report.ts";
import { requireReportFolder, writeReport } from "../report/write-report.ts";
import { describe } from "../schedule/describe.ts";
import { printSteps } from "../schedule/print.ts";
import { checkDrop } from "../shrink/rule.ts";
import { choose } from "../shrink/shrink.ts";
import { readText } from "../text/read-text.ts";
import { defineRefrainCommand } from "./define.ts";
import { withModel } from "./model.ts";
import { argument, modelOptions, text } from "./options.ts";
import { quoted } from "./quoted.ts";
import { dropOptions, needText, textOption, windowOptions } from "./text-options.ts";

export const command = defineRefrainCommand({
  options: {
    model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
    text: textOption,
    ...windowOptions,
    ...dropOptions,
    out: text({ hint: "DIR", alias: "o", description: "write similarity.json and the pictures (SVG and PNG) here" }),
    schedule: modelOptions.schedule,
    weights: modelOptions.weights,
    threads: modelOptions.threads,
  },
  run: async (values, { output, signal, onProgress }) => {
    const { window, windows, out, drop, by } = values;
    const file = await readText(needText(values.text, "measure"));
    await withModel(values.model, { ...values, context: undefined }, { signal, onProgress }, async (model) => {
      if (drop !== undefined) checkDrop(model.steps.length, drop);
      if (out !== undefined) await requireReportFolder(out);
      const measured = await observeText(model, file.text, { window, windows, signal, onProgress });
      const chosen = drop === undefined ? undefined : choose(model.steps, by, measured, drop);
      const choice = chosen && {
        by: by.name,
        dropped: chosen.dropped,
        rival: by.rival(measured, chosen.dropped.length) ?? null,
        schedule: printSteps(chosen.steps),
        inWords: describe(chosen.steps, model.config.blocks),
      };
      const document = {
        model: model.name,
        schedule: model.schedule,
        weights: values.weights ?? "file",
        engine: model.engine,
        text: { name: file.name, sha256: file.sha256 },
        ...measured,
        ...(choice && { choice }),
      };
      if (out !== undefined) {
        const sample = { name: file.name, tokens: measured.tokens, windows: measured.windows };
        const pictures = await similarityPictures(shortName(model.name), sample, measured, chosen?.dropped ?? []);
        const json = `${JSON.stringify(document, null, 2)}\n`;
        await writeReport(out, { "similarity.json": json, ...pictures }, signal);
      }
      output.result(
        document,
        [
          similarityText(model.steps, measured),
          ...(choice
            ? [
                `${choiceInWords(model.steps, { ...choice, rival: choice.rival ?? undefined })}\nWhat stays is "${choice.schedule}". ${choice.inWords}`,
                `Next: refrain eval ${quoted(values.model)} --text ${quoted(values.text!)} --schedule "${choice.schedule}"`,
              ]
            : ["Add --drop N to see which steps would go."]),
          out === undefined ? "Add --out DIR for the heat map and the bar chart." : `The pictures are in ${out}.`,
        ].join("\n\n"),
      );
    });
  },
});
