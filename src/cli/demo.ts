/** `refrain demo`: the main job on a real model, with a report that a person can read. */
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Model } from "../refrain.ts";
import { comparison } from "../report/comparison.ts";
import { formatBytes, formatCount } from "../report/format.ts";
import { renderReport } from "../report/html.ts";
import { shortName } from "../report/short-name.ts";
import { similarityPictures, stepsInWords } from "../report/similarity-report.ts";
import { textTable } from "../report/table.ts";
import { requireReportFolder, writeReport } from "../report/write-report.ts";
import { type DemoOptions, type DemoResult, demo, demoTokens } from "../shrink/demo.ts";
import { firstTokens } from "../text/first-tokens.ts";
import { readText } from "../text/read-text.ts";
import { version } from "../version.ts";
import { defineRefrainCommand } from "./define.ts";
import { withModel } from "./model.ts";
import { flag, integer, modelOptions, text, type ValuesOf, withDefault } from "./options.ts";
import { quoted } from "./quoted.ts";

const MODEL = "hf:HuggingFaceTB/SmolLM2-135M";
const PROMPT = "Once upon a time";
/** Public domain; data/README.md says where it comes from. */
const TEXT = fileURLToPath(new URL("../../data/alice.txt", import.meta.url));

const UNTRAINED =
  "Nothing was trained in between: what dropping and sharing cost here is what healing has to win back.";

const options = {
  model: withDefault(
    text({ hint: "MODEL", description: "a folder, a .gguf or .bin file, or hf:org/name[/file]" }),
    MODEL,
  ),
  text: text({ hint: "FILE", description: "the text to measure on (default: Alice's Adventures in Wonderland)" }),
  drop: integer({
    hint: "N",
    min: 1,
    max: 4095,
    description: "how many steps to drop, and pairs to share (default: a tenth)",
  }),
  prompt: withDefault(text({ hint: "TEXT", description: "what every version is asked to continue" }), PROMPT),
  out: withDefault(text({ hint: "DIR", alias: "o", description: "where report.html and the pictures go" }), "report"),
  quick: flag({ description: "read less text" }),
  weights: modelOptions.weights,
  threads: modelOptions.threads,
} as const;

export const command = defineRefrainCommand({
  options,
  run: async (values, { output, signal, onProgress }) => {
    const file = await readText(values.text ?? TEXT);
    await requireReportFolder(values.out);
    const { weights, threads } = values;
    const open = { schedule: undefined, context: undefined, weights, threads };
    await withModel(values.model, open, { signal, onProgress }, async (model) => {
      const { drop, prompt } = values;
      const most = model.config.contextLength >> 1;
      const amount = values.quick
        ? { window: Math.min(128, most), windows: 4, evaluate: 512 }
        : { window: Math.min(256, most), windows: 8, evaluate: 2048 };
      const demoOptions = { ...amount, drop, prompt, signal, onProgress };
      output.note(`measuring ${values.model} on ${file.name}: ${model.engine}`);
      const tokens = firstTokens(model.needTokenizer(), file.text, demoTokens(demoOptions));
      const result = await demo(model, tokens, demoOptions);
      const { similarity, dropped } = result;
      const sample = { name: file.name, tokens: similarity.tokens, windows: similarity.windows };
      const pictures = await similarityPictures(shortName(model.name), sample, similarity, dropped);
      const html = report(model, file.name, values, demoOptions, result);
      await writeReport(values.out, { ...pictures, "report.html": html }, signal);
      const variants = result.variants.map(({ name, profile }) => ({ name, ...profile }));
      output.result(
        { model: model.name, engine: model.engine, report: join(values.out, "report.html"), ...result, variants },
        summary(values, result),
      );
    });
  },
});

function summary({ prompt, out }: { readonly prompt: string; readonly out: string }, result: DemoResult): string {
  const table = comparison(result.variants.map(({ name, profile }) => ({ name, profile })));
  return [
    `The hidden state is changed least by ${stepsInWords(result.dropped)} (counted from 0).`,
    textTable(table.columns, table.rows),
    ...result.variants.map(
      ({ name, profile }) =>
        `${name}, schedule ${profile.schedule}:\n  ${prompt}${(profile.sample ?? "").replaceAll("\n", "\n  ")}`,
    ),
    `${UNTRAINED}\n${join(out, "report.html")}`,
  ].join("\n\n");
}

function report(
  model: Model,
  textName: string,
  values: ValuesOf<typeof options>,
  { window, windows }: DemoOptions,
  { similarity, dropped, variants, evaluated }: DemoResult,
): string {
  const textArgument = quoted(values.text ?? "data/alice.txt");
  const name = shortName(model.name);
  const [processor] = cpus();
  return renderReport({
    title: `Refrain: ${name}`,
    model: name,
    date: new Date().toISOString().slice(0, 10),
    machine: `${processor?.model.trim() ?? "unknown processor"}, ${cpus().length} cores, ${formatBytes(totalmem())} of memory, ${process.platform} ${process.arch}, Node ${process.version}`,
    engine: `Refrain ${version}, ${model.engine}, weights ${values.weights ?? "as in the file"}`,
    text: { name: textName, tokens: evaluated },
    similarity: { text: textName, measured: similarity },
    variants: variants.map(({ name, steps, profile }, i) => ({
      name,
      schedule: profile.schedule,
      // The first drop is drawn in its place among the steps that were there before.
      ...(i === 1 ? { steps: model.steps, dropped } : { steps }),
      uniqueParameters: profile.cost.uniqueParameters,
      effectiveParameters: profile.cost.effectiveParameters,
      bytes: profile.weightBytes,
      kvBytesPerToken: profile.cost.kvBytesPerToken,
      perplexity: profile.perplexity?.perplexity ?? Number.NaN,
      tokensPerSecond: profile.speed.tokensPerSecond,
      sample: profile.sample ?? "",
    })),
    prompt: values.prompt,
    commands: commands(values, textArgument, { window, windows }, dropped.length, variants),
    notes: [
      `The choice was made on the first ${formatCount(similarity.tokens)} tokens of ${textName}; perplexity is measured on the ${formatCount(evaluated)} after them, in windows of ${formatCount(2 * window)} tokens, ${formatCount(window)} apart, as transformers' documentation defines it.`,
      "Speed is the median over 32 decoded tokens after a prompt of 16.",
      UNTRAINED,
    ],
  });
}

/** What to type to get the report again, and its versions as models on disk. */
function commands(
  values: ValuesOf<typeof options>,
  text: string,
  { window, windows }: Pick<DemoOptions, "window" | "windows">,
  drop: number,
  variants: DemoResult["variants"],
): string[] {
  const model = quoted(values.model);
  const weights = values.weights === undefined ? "" : ` --weights ${values.weights}`;
  const given = [
    ...(values.text === undefined ? [] : [`--text ${text}`]),
    ...(values.drop === undefined ? [] : [`--drop ${values.drop}`]),
    ...(values.prompt === PROMPT ? [] : [`--prompt ${quoted(values.prompt)}`]),
    ...(values.quick ? ["--quick"] : []),
  ];
  const folders = variants.slice(1).map(({ profile }, i) => ({ ...profile, folder: ["dropped", "shared"][i]! }));
  return [
    `${["refrain demo --model", model, ...given].join(" ")}${weights}`,
    `refrain measure ${model} --text ${text} --window ${window} --windows ${windows} --drop ${drop}${weights}`,
    ...folders.map(({ schedule, folder }) => `refrain shrink ${model} --schedule "${schedule}" -o ${folder}`),
    `refrain compare ${[model, ...folders.map(({ folder }) => folder)].join(" ")} --text ${text}${weights}`,
  ];
}
