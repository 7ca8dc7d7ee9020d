/** `refrain measure`: how much every step changes the hidden state. */
import { observeModel } from "../measure/observe.ts";
import { formatRanges } from "../report/format.ts";
import { similarityPictures, similarityText } from "../report/similarity-report.ts";
import { writeReport } from "../report/write-report.ts";
import { describe } from "../schedule/describe.ts";
import { printSteps } from "../schedule/print.ts";
import { findMethod } from "../shrink/methods.ts";
import { choose } from "../shrink/shrink.ts";
import { firstTokens, readText } from "../text/read-text.ts";
import { defineRefrainCommand } from "./define.ts";
import { withModel } from "./model.ts";
import { argument, modelOptions, text } from "./options.ts";
import { dropOptions, needText, textOption, windowOptions } from "./text-options.ts";

export const command = defineRefrainCommand({
  options: {
    model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
    text: textOption,
    ...windowOptions,
    ...dropOptions,
    out: text({ hint: "DIR", alias: "o", description: "write similarity.json and the pictures (SVG and PNG) here" }),
    ...modelOptions,
  },
  run: async (values, { output, signal, onProgress }) => {
    const { window, windows, out } = values;
    const file = await readText(needText(values.text, "measure"));
    await withModel(values.model, values, { signal, onProgress }, async (model) => {
      const tokens = firstTokens(model.needTokenizer(), file.text, window * windows);
      const measured = await observeModel(model, tokens, { window, windows, signal, onProgress });
      const sample = { name: file.name, tokens: measured.tokens, windows: measured.windows };
      const chosen = values.drop && choose(model.steps, findMethod(values.by), measured, values.drop);
      if (out !== undefined) {
        const pictures = await similarityPictures(model.name, sample, measured, chosen ? chosen.dropped : []);
        await writeReport(out, pictures, signal);
      }
      const dropped = chosen
        ? {
            by: values.by,
            steps: chosen.dropped,
            schedule: printSteps(chosen.steps),
            inWords: describe(chosen.steps, model.config.blocks),
          }
        : undefined;
      output.result(
        {
          model: model.path,
          schedule: model.schedule,
          engine: model.engine,
          text: { ...sample, sha256: file.sha256 },
          window,
          ...measured,
          ...(dropped && { dropped }),
        },
        [
          similarityText(model.steps, measured),
          ...(dropped
            ? [
                `By ${values.by}, dropping ${dropped.steps.length}: steps ${formatRanges(dropped.steps)} go, and "${dropped.schedule}" stays. ${dropped.inWords}`,
              ]
            : []),
          out === undefined ? "Pictures and JSON: add --out DIR." : `Pictures and JSON are in ${out}.`,
        ].join("\n\n"),
      );
    });
  },
});
