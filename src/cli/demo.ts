/** `refrain demo`: the main job on a real model, with a report that a person can read. */
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { processorName } from "../machine.ts";
import { openTasks } from "../measure/tasks/open-tasks.ts";
import type { Model } from "../refrain.ts";
import { comparison } from "../report/comparison.ts";
import { demoReport, trainedInWords } from "../report/demo-report.ts";
import { formatBytes } from "../report/format.ts";
import { renderReport } from "../report/html.ts";
import { shortName } from "../report/short-name.ts";
import { choiceInWords, similarityPictures } from "../report/similarity-report.ts";
import { textTable } from "../report/table.ts";
import { taskPictures } from "../report/task-pictures.ts";
import { requireReportFolder, writeReport } from "../report/write-report.ts";
import { type DemoResult, demo } from "../shrink/demo.ts";
import { readText } from "../text/read-text.ts";
import { version } from "../version.ts";
import { defineRefrainCommand } from "./define.ts";
import { withModel } from "./model.ts";
import { flag, integer, modelOptions, text, type ValuesOf, withDefault } from "./options.ts";
import { quoted } from "./quoted.ts";
import { refuseWithoutTasks, taskOptions } from "./task-options.ts";

const PROMPT = "Once upon a time";
const packaged = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
/** What the package brings, so that nothing need be fetched: models/README.md says how it was made. */
const MODEL = { path: "models/stories.gguf", text: "models/stories.txt" };
/** For other models. Public domain; data/README.md says where it comes from. */
const TEXT = "data/alice.txt";

/** What is read: many short windows to choose by, then a longer piece to judge by. */
const USUAL = { window: 64, windows: 64, evaluate: 2048, healSeconds: 30 };
const QUICK = { window: 64, windows: 16, evaluate: 512, healSeconds: 3 };

const options = {
  model: text({
    hint: "MODEL",
    description: "a folder, a .gguf or .bin file, or hf:org/name[/file] (default: the small one of this package)",
  }),
  text: text({
    hint: "FILE",
    description: "the text to measure on (default: stories that the small model wrote; for others Alice in Wonderland)",
  }),
  drop: integer({
    hint: "N",
    min: 1,
    max: 4095,
    description: "how many steps to drop, and pairs to share (default: a tenth)",
  }),
  heal: integer({ hint: "SECONDS", min: 0, max: 86_400, description: "how long to heal; 0: not (default: 30)" }),
  ...taskOptions,
  prompt: withDefault(text({ hint: "TEXT", description: "what every version is asked to continue" }), PROMPT),
  out: withDefault(text({ hint: "DIR", alias: "o", description: "where report.html and the pictures go" }), "report"),
  quick: flag({ description: "read less text" }),
  schedule: modelOptions.schedule,
  weights: modelOptions.weights,
  threads: modelOptions.threads,
} as const;

type Values = ValuesOf<typeof options> & { readonly model: string };

export const command = defineRefrainCommand({
  options,
  run: async (given, { output, signal, onProgress }) => {
    const { model: name = packaged(MODEL.path), text } = given;
    const values = { ...given, model: name };
    const file = await readText(text ?? packaged(given.model === undefined ? MODEL.text : TEXT));
    await requireReportFolder(values.out);
    const { drop, limit, prompt } = values;
    if (!values.tasks) refuseWithoutTasks("demo", values);
    const tasks = values.tasks && (await openTasks(values.tasks, values.data, { signal, onProgress }));
    await withModel(values.model, { ...values, context: undefined }, { signal, onProgress }, async (model) => {
      const amount = values.quick ? QUICK : USUAL;
      const window = Math.min(amount.window, model.config.contextLength);
      output.note(`measuring ${values.model} on ${file.name}: ${model.engine}`);
      const result = await demo(model, file.text, {
        ...amount,
        window,
        drop,
        healSeconds: values.heal ?? amount.healSeconds,
        tasks,
        limit,
        prompt,
        signal,
        onProgress,
      });
      const { similarity, dropped } = result;
      const sample = { name: file.name, tokens: similarity.tokens, windows: similarity.windows };
      const pictures = await similarityPictures(shortName(model.name), sample, similarity, dropped);
      const html = renderReport(demoReport(model, result, { ...conditions(model, values, result), text: file.name }));
      const variants = result.variants.map(({ name, profile }) => ({ name, ...profile }));
      const taskPicture = tasks && (await taskPictures(variants));
      await writeReport(values.out, { ...pictures, ...taskPicture, "report.html": html }, signal);
      output.result(
        { model: model.name, engine: model.engine, report: join(values.out, "report.html"), ...result, variants },
        summary(model, values, result),
      );
    });
  },
});

function summary(model: Model, { prompt, out }: Values, result: DemoResult): string {
  const { dropped, variants } = result;
  const table = comparison(variants);
  return [
    choiceInWords(model.steps, { by: "angular", dropped, rival: result.rival }),
    textTable(table.columns, table.rows),
    ...variants.map(
      ({ name, profile }) =>
        `${name}, schedule ${profile.schedule}:\n  ${`${prompt}${profile.sample}`.replaceAll("\n", "\n  ")}`,
    ),
    `${trainedInWords(result)}\n${join(out, "report.html")}`,
  ].join("\n\n");
}

function conditions(model: Model, values: Values, result: DemoResult) {
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${processorName()}, ${cpus().length} cores, ${formatBytes(totalmem())} of memory, ${process.platform} ${process.arch}, Node ${process.version}`,
    engine: `Refrain ${version}, ${model.engine}, weights ${values.weights ?? "as in the file"}`,
    prompt: values.prompt,
    commands: commands(values, result),
  };
}

/** What to type to get the report again, and its versions as models on disk. */
function commands(values: Values, result: DemoResult): string[] {
  const { similarity, dropped, variants, healed } = result;
  const model = quoted(values.model);
  const text = quoted(values.text ?? (values.model === packaged(MODEL.path) ? packaged(MODEL.text) : TEXT));
  const weights = values.weights === undefined ? "" : ` --weights ${values.weights}`;
  const schedule = values.schedule === undefined ? "" : ` --schedule ${quoted(values.schedule)}`;
  const given = [
    ...(values.text === undefined ? [] : [`--text ${text}`]),
    ...(values.drop === undefined ? [] : [`--drop ${values.drop}`]),
    ...(values.prompt === PROMPT ? [] : [`--prompt ${quoted(values.prompt)}`]),
    ...(values.quick ? ["--quick"] : []),
    ...(values.heal === undefined ? [] : [`--heal ${values.heal}`]),
    ...(values.tasks ? [`--tasks ${values.tasks.map(({ name }) => name).join()}`] : []),
    ...values.data.map((source) => `--data ${quoted(source)}`),
    ...(values.limit === undefined ? [] : [`--limit ${values.limit}`]),
  ];
  const { tokens, windows } = similarity;
  const shrunk = variants.slice(1, healed ? -1 : undefined);
  const folders = shrunk.map(({ profile }, i) => ({ ...profile, folder: ["dropped", "shared"][i]! }));
  const heal = healed && [
    `refrain heal ${model} --schedule "${shrunk.at(-1)!.profile.schedule}" --teacher "${variants[0]!.profile.schedule}" --text ${text} --minutes ${healed.seconds / 60} --merge -o healed`,
  ];
  const all = [...folders.map(({ folder }) => folder), ...(healed ? ["healed"] : [])];
  return [
    `${["refrain demo --model", model, ...given].join(" ")}${schedule}${weights}`,
    `refrain measure ${model} --text ${text} --window ${tokens / windows} --windows ${windows} --drop ${dropped.length}${schedule}${weights}`,
    ...folders.map(({ schedule, folder }) => `refrain shrink ${model} --schedule "${schedule}" -o ${folder}`),
    ...(heal ?? []),
    `refrain compare ${[model, ...all].join(" ")} --text ${text}${weights}`,
  ];
}
