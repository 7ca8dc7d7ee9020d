/** What a training run says: its curve as a picture, and report.html. */
import { printSteps } from "../schedule/print.ts";
import type { TrainingConfig } from "../train/config.ts";
import type { RunResult } from "../train/run.ts";
import type { LogEntry } from "../train/trainer.ts";
import { formatBytes, formatCount, formatNumber, formatRate, formatShortCount } from "./format.ts";
import { lines, type Series } from "./lines.ts";
import { Markup, markup } from "./markup.ts";
import { svgToPng } from "./node-png.ts";
import { page, section } from "./page.ts";

/** Points of a curve; of a longer log each point is the mean of several steps. */
const POINTS = 400;
/** Samples that are shown, spread over the run. */
const SAMPLES = 4;

/** What is drawn and told of a run, whatever it trained. */
export interface CurveOf {
  readonly title: string;
  readonly subtitle: string;
  readonly log: readonly LogEntry[];
}

/** Loss over steps, of the batches and of what is held out, as an SVG. */
export function trainingCurve({ title, subtitle, log }: CurveOf): string {
  const batches = log.flatMap((entry) => ("loss" in entry ? [[entry.step, entry.loss] as const] : []));
  const held = log.flatMap((entry) => ("heldOutLoss" in entry ? [[entry.step, entry.heldOutLoss] as const] : []));
  const series: Series[] = [{ name: "batches", points: means(batches) }];
  if (held.length > 0) series.push({ name: "held-out text", points: held });
  return lines({ title, subtitle, x: "steps", y: "loss, nats a token", series });
}

/** At most `POINTS` points, each the mean of its neighbors in steps and losses. */
function means(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const size = Math.ceil(points.length / POINTS) || 1;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size);
    const mean = (of: 0 | 1) => part.reduce((sum, point) => sum + point[of], 0) / part.length;
    return [mean(0), mean(1)] as const;
  });
}

function curveOf(config: TrainingConfig, { log, parameters, model, corpus }: RunResult): string {
  return trainingCurve({
    title: "What did the model learn?",
    subtitle: `${config.model.model_type}, ${formatShortCount(parameters)} parameters, schedule ${printSteps(model.steps)}; ${formatShortCount(corpus.train)} tokens of text`,
    log,
  });
}

/** `curve.svg` and `curve.png`. */
export async function trainingPictures(
  config: TrainingConfig,
  result: RunResult,
): Promise<Record<string, string | Uint8Array>> {
  const svg = curveOf(config, result);
  return { "curve.svg": svg, "curve.png": await svgToPng(svg) };
}

export interface ReportConditions {
  readonly date: string;
  /** What to type to get it again. */
  readonly commands: readonly string[];
}

export function trainingReport(
  config: TrainingConfig,
  result: RunResult,
  { date, commands }: ReportConditions,
): string {
  const { parameters, model, runSteps, corpus, heldOutLoss, memory, engine, machine, tokensPerSecond } = result;
  const { sequences, length, accumulation } = config.training;
  const read = runSteps * sequences * length * accumulation;
  const held =
    heldOutLoss !== undefined &&
    markup` On text that it never saw its loss is <strong>${formatNumber(heldOutLoss, 4)}</strong> nats a token, a perplexity of <strong>${formatNumber(Math.exp(heldOutLoss))}</strong>.`;
  const lead = markup`A ${config.model.model_type} model of ${formatShortCount(parameters)} parameters read ${formatShortCount(read)} tokens in ${formatCount(runSteps)} steps.${held}`;
  const facts: readonly (readonly [string, string])[] = [
    ["Parameters", formatCount(parameters)],
    ["Schedule", printSteps(model.steps)],
    ["Vocabulary", formatCount(model.config.vocabSize)],
    ["Corpus", `${formatCount(corpus.train)} tokens to train on, ${formatCount(corpus.heldOut)} held out`],
    ["A step", `${sequences} × ${length} tokens${accumulation > 1 ? `, ${accumulation} times` : ""}`],
    ["Speed", tokensPerSecond > 0 ? formatRate(tokensPerSecond, "tokens") : "not measured"],
    [
      "Memory",
      `${formatBytes(memory.total)}: weights ${formatBytes(memory.weights)}, gradients ${formatBytes(memory.gradients)}, optimizer ${formatBytes(memory.optimizer)}, activations ${formatBytes(memory.activations)}`,
    ],
  ];
  return page({ title: "Refrain: a trained model", lead }, [
    section("How it learned", markup`<figure>${new Markup(curveOf(config, result))}</figure>`),
    section("What it says", samples(result.model.config.bidirectional ? "" : config.training.prompt, result.log)),
    section("What it is", list(facts)),
    section("How to train it again", [
      markup`<pre>${commands.join("\n")}</pre>
`,
      markup`<pre>${JSON.stringify({ model: config.model, schedule: config.schedule, tokenizer: config.tokenizer, data: config.data, training: config.training }, null, 2)}</pre>`,
    ]),
    section(
      "Trained with",
      list([
        ["Date", date],
        ["Machine", machine],
        ["Engine", engine],
      ]),
    ),
  ]);
}

function list(facts: readonly (readonly [string, string])[]): Markup {
  return markup`<dl>
${facts.map(
  ([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>
`,
)}</dl>`;
}

function samples(prompt: string, log: readonly LogEntry[]): Markup {
  const all = log.flatMap((entry) => ("sample" in entry ? [entry] : []));
  const count = Math.min(SAMPLES, all.length);
  const chosen = Array.from(
    { length: count },
    (_, i) => all[Math.round((i * (all.length - 1)) / Math.max(1, count - 1))]!,
  );
  const cards = chosen.map(
    ({
      step,
      sample,
    }) => markup`<article><h3>after ${formatCount(step)} steps</h3><p class="text">${prompt}${sample}</p></article>
`,
  );
  return markup`<div class="cards">
${cards}</div>`;
}
