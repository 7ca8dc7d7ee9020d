/** `refrain eval`: the perplexity of a model on a text. */
import { modelPerplexity } from "../measure/profile.ts";
import { formatCount, formatDuration, formatNumber, formatRate } from "../report/format.ts";
import { firstTokens } from "../text/first-tokens.ts";
import { readText } from "../text/read-text.ts";
import { defineRefrainCommand } from "./define.ts";
import { withModel } from "./model.ts";
import { argument, modelOptions } from "./options.ts";
import { needText, perplexityOptions, textOption, tokensOption } from "./text-options.ts";

export const command = defineRefrainCommand({
  options: {
    model: argument({ description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
    text: textOption,
    ...perplexityOptions,
    tokens: tokensOption,
    schedule: modelOptions.schedule,
    adapter: modelOptions.adapter,
    weights: modelOptions.weights,
    cache: modelOptions.cache,
    threads: modelOptions.threads,
  },
  run: async (values, { output, signal, onProgress }) => {
    const { window, stride } = values;
    const file = await readText(needText(values.text, "eval"));
    await withModel(values.model, { ...values, context: undefined }, { signal, onProgress }, async (model) => {
      const tokens = firstTokens(model.needTokenizer(), file.text, values.tokens);
      const found = await modelPerplexity(model, tokens, { window, stride, signal, onProgress });
      output.result(
        {
          model: model.name,
          schedule: model.schedule,
          weights: values.weights ?? "file",
          cache: model.cache,
          engine: model.engine,
          text: { name: file.name, sha256: file.sha256 },
          ...found,
        },
        [
          `perplexity ${formatNumber(found.perplexity, 5)}   (${found.meanLoss.toFixed(4)} nats a token)`,
          `text       ${file.name}, ${tokens.length === values.tokens ? "the first" : "all"} ${formatCount(found.tokens)} tokens, ${formatCount(found.predicted)} of them predicted`,
          `windows    ${formatCount(found.windows)} of ${formatCount(found.window)} tokens, stride ${formatCount(found.stride)}, as transformers' documentation defines it`,
          `model      ${model.name}, schedule ${model.schedule}${model.cache === "f32" ? "" : `, ${model.cache} cache`}`,
          `read       ${formatCount(found.tokensRead)} tokens in ${formatDuration(found.seconds)}, ${formatRate(found.tokensRead / found.seconds, "tok")}; ${model.engine}`,
        ].join("\n"),
      );
    });
  },
});
