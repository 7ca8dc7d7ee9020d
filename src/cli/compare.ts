/** `refrain compare`: several models, or several schedules of one, in one table. */
import { type Candidate, type Compared, compareModels } from "../measure/compare.ts";
import { comparison } from "../report/comparison.ts";
import { formatCount } from "../report/format.ts";
import { markdownTable, textTable } from "../report/table.ts";
import { readText } from "../text/read-text.ts";
import { defineRefrainCommand } from "./define.ts";
import { argumentList, flag, modelOptions, text, texts, withDefault } from "./options.ts";
import { perplexityOptions, textOption, tokensOption } from "./text-options.ts";

export const command = defineRefrainCommand({
  options: {
    models: argumentList({ description: "folders, .gguf or .bin files, or hf:org/name[/file]" }),
    schedule: texts({
      hint: "SCHEDULE",
      description: "also the first model in this order; may be given several times",
    }),
    text: textOption,
    tokens: withDefault(tokensOption, 4096),
    ...perplexityOptions,
    prompt: text({ hint: "TEXT", description: "also show how each continues this text" }),
    markdown: flag({ description: "print the table as Markdown" }),
    weights: modelOptions.weights,
    cache: modelOptions.cache,
    threads: modelOptions.threads,
  },
  run: async (values, { output, signal, onProgress }) => {
    const { models, tokens, window, stride, prompt, markdown, weights, cache, threads } = values;
    const file = values.text === undefined ? undefined : await readText(values.text);
    const [first, ...others] = models;
    const candidates: Candidate[] = [
      { model: first! },
      ...values.schedule.map((schedule) => ({ model: first!, schedule })),
      ...others.map((model) => ({ model })),
    ];
    const options = { text: file?.text, tokens, window, stride, prompt, weights, cache, threads, signal, onProgress };
    const compared = await compareModels(candidates, options);
    const table = comparison(compared.map(({ profile }, i) => ({ name: letter(i), profile })));
    output.result(
      {
        text: file && { name: file.name, sha256: file.sha256 },
        weights: weights ?? "file",
        cache: cache ?? "f32",
        models: compared.map(({ candidate, profile, sameTokens }, i) => ({
          name: letter(i),
          model: candidate.model,
          ...profile,
          sameTokens,
        })),
      },
      [
        legend(compared, markdown),
        markdown ? markdownTable(table.columns, table.rows) : textTable(table.columns, table.rows),
        conditions(compared, file?.name),
        ...compared.flatMap(({ profile: { sample } }, i) =>
          sample === undefined ? [] : [`${letter(i)}: ${prompt}${sample}`],
        ),
      ].join("\n\n"),
    );
  },
});

/** A … Z, then A1, B1, … */
const letter = (i: number): string => `${String.fromCharCode(65 + (i % 26))}${i < 26 ? "" : Math.floor(i / 26)}`;

function legend(compared: readonly Compared[], markdown: boolean): string {
  const code = (text: string) => (markdown ? `\`${text}\`` : text);
  return compared
    .map(({ candidate, profile }, i) => {
      const name = markdown ? `- **${letter(i)}**` : `${letter(i)} `;
      return `${name} ${code(candidate.model)}, schedule ${code(profile.schedule)}`;
    })
    .join("\n");
}

/** What the figures were measured under, and which of them must not be compared. */
function conditions(compared: readonly Compared[], textName: string | undefined): string {
  const others = compared.flatMap(({ sameTokens }, i) => (sameTokens ? [] : [letter(i)]));
  const measured = compared[0]!.profile.perplexity;
  return [
    measured && textName !== undefined
      ? `Perplexity on ${textName}, ${formatCount(measured.tokens)} tokens, window ${formatCount(measured.window)}, stride ${formatCount(measured.stride)}.`
      : "For perplexity, add --text FILE.",
    ...(others.length > 0
      ? [
          `${others.join(", ")} ${others.length === 1 ? "cuts" : "cut"} the text into other tokens than A, so their perplexities cannot be compared with A's.`,
        ]
      : []),
    "Speed is an indication: the median of 32 tokens after a prompt of 16.",
  ].join("\n");
}
