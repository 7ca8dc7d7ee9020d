/** `refrain compare`: several models, or several schedules of one, in one table. */
import { type Candidate, type Compared, compareModels } from "../measure/compare.ts";
import { taskDifferences } from "../measure/tasks/evaluate.ts";
import { openTasks } from "../measure/tasks/open-tasks.ts";
import { comparison } from "../report/comparison.ts";
import { formatCount } from "../report/format.ts";
import { shortName } from "../report/short-name.ts";
import { markdownTable, textTable } from "../report/table.ts";
import { taskPictures } from "../report/task-pictures.ts";
import { requireReportFolder, writeReport } from "../report/write-report.ts";
import { readText } from "../text/read-text.ts";
import { defineRefrainCommand } from "./define.ts";
import { argumentList, flag, modelOptions, text, texts, withDefault } from "./options.ts";
import { refuseWithoutTasks, taskOptions } from "./task-options.ts";
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
    ...taskOptions,
    prompt: text({ hint: "TEXT", description: "also show how each continues this text" }),
    out: text({
      hint: "DIR",
      alias: "o",
      description: "write comparison.json here, and with --tasks a picture (SVG, PNG)",
    }),
    markdown: flag({ description: "print the table as Markdown" }),
    weights: modelOptions.weights,
    cache: modelOptions.cache,
    threads: modelOptions.threads,
  },
  run: async (values, { output, signal, onProgress }) => {
    const { models, tokens, window, stride, limit, prompt, out, markdown, weights, cache, threads } = values;
    if (!values.tasks) refuseWithoutTasks("compare", values);
    if (out !== undefined) await requireReportFolder(out);
    const tasks = values.tasks && (await openTasks(values.tasks, values.data, { signal, onProgress }));
    const file = values.text === undefined ? undefined : await readText(values.text);
    const [first, ...others] = models;
    const candidates: Candidate[] = [
      { model: first! },
      ...values.schedule.map((schedule) => ({ model: first!, schedule })),
      ...others.map((model) => ({ model })),
    ];
    const given = { text: file?.text, tokens, window, stride, tasks, limit, prompt, weights, cache, threads };
    const compared = await compareModels(candidates, { ...given, signal, onProgress });
    const table = comparison(compared.map(({ profile }, i) => ({ name: letter(i), profile })));
    const document = {
      text: file && { name: file.name, sha256: file.sha256 },
      weights: weights ?? "file",
      cache: cache ?? "f32",
      models: compared.map(({ candidate, profile, sameTokens }, i) => ({
        name: letter(i),
        model: candidate.model,
        ...profile,
        ...(tasks && i > 0 && { againstFirst: taskDifferences(compared[0]!.profile.tasks, profile.tasks) }),
        sameTokens,
      })),
    };
    if (out !== undefined) {
      const named = compared.map(({ candidate, profile }, i) => ({
        name: `${letter(i)}: ${shortName(candidate.model)}, ${profile.schedule}`,
        ...profile,
      }));
      const json = `${JSON.stringify(document, null, 2)}\n`;
      await writeReport(out, { "comparison.json": json, ...(tasks && (await taskPictures(named))) }, signal);
    }
    output.result(
      document,
      [
        legend(compared, markdown),
        markdown ? markdownTable(table.columns, table.rows) : textTable(table.columns, table.rows),
        conditions(compared, file?.name),
        ...(out === undefined ? [] : [`The figures${tasks ? " and the picture" : ""} are in ${out}.`]),
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
    ...(compared[0]!.profile.tasks.length > 0
      ? [
          `Tasks are zero-shot, with prompts and scoring as in lm-evaluation-harness 0.4.13; ± is one standard error.${compared.length > 1 ? " Behind a share stands its difference from A's in points, with the error of the differences item by item." : ""}`,
        ]
      : []),
    ...(others.length > 0
      ? [
          `${others.join(", ")} ${others.length === 1 ? "cuts" : "cut"} the text into other tokens than A, so their perplexities cannot be compared with A's; bits a byte can.`,
        ]
      : []),
    "Speed is an indication: the median of 32 tokens after a prompt of 16.",
  ].join("\n");
}
