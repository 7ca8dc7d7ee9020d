/** `refrain eval`: the perplexity of a model on a text. */
import { modelPerplexity } from "../measure/profile.ts";
import { formatCount, formatDuration, formatNumber, formatRate } from "../report/format.ts";
import { firstTokens, readText } from "../text/read-text.ts";
import { defineRefrainCommand } from "./define.ts";
import { withModel } from "./model.ts";
import { argument, integer, modelOptions } from "./options.ts";
import { needText, textOption } from "./text-options.ts";

export const command = defineRefrainCommand({
  options: {
    model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
    text: textOption,
    window: integer({
      hint: "N",
      min: 2,
      max: 1_048_576,
      description: "tokens of a window (default: --context, or what the model allows, at most 1024)",
    }),
    stride: integer({
      hint: "N",
      min: 1,
      max: 1_048_576,
      description: "tokens from one window to the next (default: half a window)",
    }),
    tokens: integer({ hint: "N", min: 3, max: 1e9, description: "read only the first N tokens of the text" }),
    ...modelOptions,
  },
  run: async (values, { output, signal, onProgress }) => {
    const file = await readText(needText(values.text, "eval"));
    await withModel(values.model, values, { signal, onProgress }, async (model) => {
      const tokens = firstTokens(model.needTokenizer(), file.text, values.tokens);
      const window = values.window ?? values.context;
      const found = await modelPerplexity(model, tokens, { window, stride: values.stride, signal, onProgress });
      output.result(
        {
          model: model.path,
          schedule: model.schedule,
          engine: model.engine,
          text: { name: file.name, sha256: file.sha256 },
          ...found,
        },
        [
          `perplexity ${formatNumber(found.perplexity, 5)}   (${found.meanLoss.toFixed(4)} nats a token)`,
          `${formatCount(found.predicted)} tokens of ${file.name} predicted, window ${formatCount(found.window)}, stride ${formatCount(found.stride)}, as in transformers' documentation`,
          `schedule ${model.schedule}; ${model.engine}; ${formatRate(found.tokensRead / found.seconds, "tok")} in ${formatDuration(found.seconds)}`,
        ].join("\n"),
      );
    });
  },
});
