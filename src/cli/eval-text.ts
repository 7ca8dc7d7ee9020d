/** `refrain eval MODEL --text FILE`: the perplexity of a model on a text. */
import { modelPerplexity } from "../measure/profile.ts";
import type { Model } from "../refrain.ts";
import { formatCount, formatDuration, formatNumber, formatRate } from "../report/format.ts";
import { firstTokens } from "../text/first-tokens.ts";
import type { TextFile } from "../text/read-text.ts";
import type { CommandContext } from "./define.ts";

interface Values {
  readonly window: number | undefined;
  readonly stride: number | undefined;
  readonly tokens: number | undefined;
  readonly weights: string | undefined;
}

export async function evalText(
  model: Model,
  file: TextFile,
  values: Values,
  { output, signal, onProgress }: CommandContext,
): Promise<void> {
  const { window, stride } = values;
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
      `perplexity ${formatNumber(found.perplexity, 5)}   (${found.meanLoss.toFixed(4)} nats a token${found.bitsPerByte === undefined ? "" : `, ${found.bitsPerByte.toFixed(4)} bits a byte`})`,
      `text       ${file.name}, ${tokens.length === values.tokens ? "the first" : "all"} ${formatCount(found.tokens)} tokens, ${formatCount(found.predicted)} of them predicted`,
      `windows    ${formatCount(found.windows)} of ${formatCount(found.window)} tokens, stride ${formatCount(found.stride)}, as transformers' documentation defines it`,
      `model      ${model.name}, schedule ${model.schedule}${model.cache === "f32" ? "" : `, ${model.cache} cache`}`,
      `read       ${formatCount(found.tokensRead)} tokens in ${formatDuration(found.seconds)}, ${formatRate(found.tokensRead / found.seconds, "tok")}; ${model.engine}`,
    ].join("\n"),
  );
}
