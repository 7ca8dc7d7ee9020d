/** `refrain demo`: the main job on a real model, with a report that a person can read. */
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { modelCost } from "../measure/cost.ts";
import type { Model } from "../refrain.ts";
import { comparison } from "../report/comparison.ts";
import { formatBytes, formatCount, formatRanges } from "../report/format.ts";
import { renderReport } from "../report/html.ts";
import { similarityPictures } from "../report/similarity-report.ts";
import { textTable } from "../report/table.ts";
import { writeReport } from "../report/write-report.ts";
import { type DemoOptions, type DemoResult, demo, demoTokens } from "../shrink/demo.ts";
import { firstTokens } from "../text/first-tokens.ts";
import { readText } from "../text/read-text.ts";
import { version } from "../version.ts";
import { defineRefrainCommand } from "./define.ts";
import { withModel } from "./model.ts";
import { flag, integer, modelOptions, text, withDefault } from "./options.ts";

const MODEL = "hf:HuggingFaceTB/SmolLM2-135M";
/** Public domain; data/README.md says where it comes from. */
const TEXT = fileURLToPath(new URL("../../data/alice.txt", import.meta.url));

export const command = defineRefrainCommand({
  options: {
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
    prompt: withDefault(
      text({ hint: "TEXT", description: "what every version is asked to continue" }),
      "Once upon a time",
    ),
    out: withDefault(text({ hint: "DIR", alias: "o", description: "where report.html and the pictures go" }), "report"),
    quick: flag({ description: "read less text" }),
    weights: modelOptions.weights,
    threads: modelOptions.threads,
  },
  run: async (values, { output, signal, onProgress }) => {
    const file = await readText(values.text ?? TEXT);
    const { weights, threads } = values;
    const open = { schedule: undefined, context: undefined, weights, threads };
    await withModel(values.model, open, { signal, onProgress }, async (model) => {
      const { drop, prompt } = values;
      const most = model.config.contextLength >> 1;
      const amount = values.quick
        ? { window: Math.min(128, most), windows: 4, evaluate: 512 }
        : { window: Math.min(256, most), windows: 8, evaluate: 2048 };
      const options = { ...amount, drop, prompt, signal, onProgress };
      output.note(`measuring ${values.model} on ${file.name}: ${model.engine}`);
      const tokens = firstTokens(model.needTokenizer(), file.text, demoTokens(options));
      const result = await demo(model, tokens, options);
      const sample = { name: file.name, tokens: result.similarity.tokens, windows: result.similarity.windows };
      const pictures = await similarityPictures(model.name, sample, result.similarity, result.dropped);
      const html = report(model, file.name, values, options, result);
      await writeReport(values.out, { ...pictures, "report.html": html }, signal);
      output.result(document(model, values.out, result), summary(values, result));
    });
  },
});

function summary({ prompt, out }: { readonly prompt: string; readonly out: string }, result: DemoResult): string {
  const table = comparison(result.variants.map(({ name, profile }) => ({ name, profile })));
  return [
    result.dropped.length === 1
      ? `Step ${result.dropped[0]} changes the hidden state least.`
      : `Steps ${formatRanges(result.dropped)} change the hidden state least.`,
    textTable(table.columns, table.rows),
    ...result.variants.map(
      ({ name, profile }) => `${name}:\n  ${prompt}${(profile.sample ?? "").replaceAll("\n", "\n  ")}`,
    ),
    `Nothing was trained in between: what dropping and sharing cost here is what healing has to win back.\n${join(out, "report.html")}`,
  ].join("\n\n");
}

function document(model: Model, out: string, result: DemoResult): Record<string, unknown> {
  const { similarity, dropped, variants, evaluated } = result;
  return {
    model: model.path,
    engine: model.engine,
    report: join(out, "report.html"),
    dropped,
    evaluated,
    variants: variants.map(({ name, profile }) => ({ name, ...profile })),
    similarity,
  };
}

function report(
  model: Model,
  textName: string,
  values: {
    readonly model: string;
    readonly text: string | undefined;
    readonly prompt: string;
    readonly quick: boolean;
  },
  options: DemoOptions,
  { similarity, dropped, variants, evaluated }: DemoResult,
): string {
  const { window, windows } = options;
  const model_ = quoted(values.model);
  const textArgument = quoted(values.text ?? "data/alice.txt");
  const [processor] = cpus();
  return renderReport({
    title: `Refrain: ${model.name}`,
    model: model.name,
    date: new Date().toISOString().slice(0, 10),
    machine: `${processor?.model.trim() ?? "unknown processor"}, ${cpus().length} cores, ${formatBytes(totalmem())} of memory, ${process.platform} ${process.arch}, Node ${process.version}`,
    engine: `Refrain ${version}, ${model.engine}`,
    text: { name: textName, tokens: evaluated },
    similarity: { text: `the first ${formatCount(similarity.tokens)} tokens of ${textName}`, measured: similarity },
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
    commands: [
      `refrain demo --model ${model_} --text ${textArgument}${values.quick ? " --quick" : ""}`,
      `refrain measure ${model_} --text ${textArgument} --window ${window} --windows ${windows} --drop ${dropped.length}`,
      `refrain shrink ${model_} --schedule "${variants[1]!.profile.schedule}" -o shrunk`,
      `refrain compare ${model_} shrunk --text ${textArgument}`,
    ],
    notes: [
      `Perplexity is measured on the ${formatCount(evaluated)} tokens after those that the choice was made on, in windows of ${formatCount(2 * window)} tokens, ${formatCount(window)} apart, as transformers' documentation defines it.`,
      "Speed is the median over 32 decoded tokens after a prompt of 16.",
      "Nothing was trained in between: what dropping and sharing cost here is what healing has to win back.",
      `The parameters of all schedules are counted once for each block that is stored; ${formatCount(modelCost(model.config, model.steps).uniqueParameters)} before.`,
    ],
  });
}

const quoted = (argument: string): string =>
  /^[\w./:@+-]+$/.test(argument) ? argument : `"${argument.replace(/(["$`\\])/g, "\\$1")}"`;
