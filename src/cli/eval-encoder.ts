/** `refrain eval ENCODER --text FILE`: the pseudo-perplexity of an encoder on a text. */
import { inputError } from "../errors.ts";
import { modelPseudoPerplexity } from "../measure/pseudo-perplexity.ts";
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

export async function evalEncoder(
  model: Model,
  file: TextFile,
  { window, stride, tokens: wanted, weights }: Values,
  { output, signal, onProgress }: CommandContext,
): Promise<void> {
  if (stride !== undefined) {
    throw inputError(
      "option-conflict",
      `refrain eval: ${model.name} is an encoder, whose windows have no --stride: each token stands in the middle of its own`,
      "Leave --stride out; --window says how many tokens are seen around each.",
    );
  }
  const tokenizer = model.needTokenizer();
  const bare = { encode: (text: string) => tokenizer.encode(text, { special: false }) };
  const tokens = firstTokens(bare, file.text, wanted);
  const found = await modelPseudoPerplexity(model, tokens, { ...(window && { window }), signal, onProgress });
  output.result(
    {
      model: model.name,
      schedule: model.schedule,
      weights: weights ?? "file",
      cache: model.cache,
      engine: model.engine,
      text: { name: file.name, sha256: file.sha256 },
      ...found,
    },
    [
      `pseudo-perplexity ${formatNumber(found.pseudoPerplexity, 5)}   (${found.meanLoss.toFixed(4)} nats a masked token)`,
      `text       ${file.name}, ${tokens.length === wanted ? "the first" : "all"} ${formatCount(found.tokens)} tokens, ${formatCount(found.predicted)} of them masked in turn and predicted from both sides`,
      `windows    one of ${formatCount(found.window)} tokens around each masked token; not to be compared with a decoder's perplexity`,
      `model      ${model.name}, schedule ${model.schedule}${model.cache === "f32" ? "" : `, ${model.cache} cache`}`,
      `read       ${formatCount(found.tokensRead)} tokens in ${formatDuration(found.seconds)}, ${formatRate(found.tokensRead / found.seconds, "tok")}; ${model.engine}`,
    ].join("\n"),
  );
}
