/** `refrain train`: from a training file to a model folder with its log, its curve and a report. */
import { formatBytes, formatCount, formatDuration, formatNumber, formatRate } from "../report/format.ts";
import { trainingPictures, trainingReport } from "../report/training-report.ts";
import { writeReport } from "../report/write-report.ts";
import { printSteps } from "../schedule/print.ts";
import { readTrainingConfig } from "../train/config.ts";
import { type RunResult, runTraining } from "../train/run.ts";
import { defineRefrainCommand } from "./define.ts";
import { argument, flag, modelOptions, text } from "./options.ts";
import { quoted } from "./quoted.ts";

export const command = defineRefrainCommand({
  options: {
    config: argument({ description: "a training file, JSON; docs/training.md says what it holds" }),
    out: text({
      hint: "OUT",
      alias: "o",
      description: "the folder of the model (default: the file's name without .json)",
    }),
    resume: flag({ description: "go on with the run in OUT, after its last checkpoint" }),
    threads: modelOptions.threads,
  },
  run: async ({ config: path, resume, threads, ...values }, { output, signal, onProgress }) => {
    const config = await readTrainingConfig(path);
    const out = values.out ?? (path.replace(/\.json$/i, "") || "model");
    const commands = [
      `refrain train ${quoted(path)} -o ${quoted(out)}${threads === undefined ? "" : ` --threads ${threads}`}`,
    ];
    const result = await runTraining(config, {
      out,
      resume,
      threads,
      signal,
      onProgress,
      note: (text) => output.note(text),
      report: async (trained) => {
        const date = new Date().toISOString().slice(0, 10);
        const html = trainingReport(config, trained, { date, commands });
        await writeReport(out, { ...(await trainingPictures(config, trained)), "report.html": html });
      },
    });
    const { log: _, model, ...rest } = result;
    output.result({ ...rest, config: model.json, schedule: printSteps(model.steps) }, summary(result));
  },
});

function summary(result: RunResult): string {
  const { out, parameters, loss, heldOutLoss, tokensPerSecond, runSteps, steps, tokens, memory } = result;
  const seconds = tokensPerSecond > 0 ? tokens / tokensPerSecond : 0;
  const isEncoder = result.model.config.bidirectional;
  const perplexity = (loss: number) => (isEncoder ? "" : ` (perplexity ${formatNumber(Math.exp(loss))})`);
  const held =
    heldOutLoss === undefined ? "" : `, ${formatNumber(heldOutLoss, 4)} on held-out text${perplexity(heldOutLoss)}`;
  return [
    `${out}: ${formatCount(parameters)} parameters, ${runSteps} steps${loss === undefined ? "" : `, loss ${formatNumber(loss, 4)}`}${held}.`,
    ...(steps > 0
      ? [
          `${formatCount(tokens)} tokens in ${formatDuration(seconds)}: ${formatRate(tokensPerSecond, "tokens")}, ${formatBytes(memory.total)} of memory.`,
        ]
      : []),
    `Next: ${isEncoder ? `refrain eval ${quoted(out)} --text FILE` : `refrain run ${quoted(out)} "Once upon a time"`}`,
    `      ${quoted(`${out}/report.html`)}`,
  ].join("\n");
}
