/** report.html: one file that says what was done to a model and what it cost. */
import type { Similarity } from "../measure/similarity.ts";
import { type TaskResult, taskMean } from "../measure/tasks/evaluate.ts";
import type { Steps } from "../schedule/schedule.ts";
import { bars } from "./bars.ts";
import { formatBytes, formatCount, formatNumber, formatRatio, formatShortCount } from "./format.ts";
import { heatMap } from "./heatmap.ts";
import { type Content, Markup, markup } from "./markup.ts";
import { page, section } from "./page.ts";
import { strips } from "./strip.ts";
import { taskBars } from "./task-bars.ts";
import { formatPerplexity, formatShare } from "./task-table.ts";

/** One version of the model; the first one is what the others are compared with. */
export interface VariantRow {
  /** E.g. "before", "8 layers dropped". */
  readonly name: string;
  /** In the notation, e.g. "0-20 29". */
  readonly schedule: string;
  /** As drawn: what is played, and in its place what `dropped` took out. */
  readonly steps: Steps;
  /** Indices into `steps`, ascending. */
  readonly dropped?: readonly number[];
  /** Parameters that are stored. */
  readonly uniqueParameters: number;
  /** Parameters of the same model without sharing: every played step counted. */
  readonly effectiveParameters: number;
  /** Of the weights in memory, each once however often it is played. */
  readonly bytes: number;
  readonly kvBytesPerToken: number;
  readonly perplexity: number;
  /** The same tasks in all variants; empty where none were asked for. */
  readonly tasks: readonly TaskResult[];
  /** Decode speed. */
  readonly tokensPerSecond: number;
  /** What it says to the prompt. */
  readonly sample: string;
}

export interface ReportData {
  readonly title: string;
  readonly model: string;
  /** What nobody must overlook who reads the figures. */
  readonly remark?: string;
  /** As it shall be printed. */
  readonly date: string;
  /** Processor, cores, memory, operating system. */
  readonly machine: string;
  /** Version and variant of the engine, threads, type of the weights. */
  readonly engine: string;
  /** The text on which perplexity was measured. */
  readonly text: { readonly name: string; readonly tokens: number };
  /** Of the first variant, and on which text. */
  readonly similarity?: { readonly text: string; readonly measured: Similarity };
  /** At least one. */
  readonly variants: readonly VariantRow[];
  readonly prompt: string;
  /** What to type to get this report again. */
  readonly commands: readonly string[];
  readonly notes: readonly string[];
}

/** A self-contained HTML file. */
export function renderReport(data: ReportData): string {
  const content = [
    section("What it costs", costs(data)),
    data.variants[0]!.tasks.length > 0 && section("What it still gets right", tasks(data)),
    data.similarity && section("Which layers matter", similarityPictures(data, data.similarity)),
    section("What is played", schedules(data)),
    section("What they say", samples(data)),
    section("How to get this report again", markup`<pre>${data.commands.join("\n")}</pre>`),
    section("Measured with", conditions(data)),
  ];
  const { title, remark } = data;
  return page({ title, lead: summary(data), ...(remark !== undefined && { remark }) }, content);
}

/** A sentence for every step of the way: where it began, where it led, what that did to size, perplexity and speed. */
function summary({ model, variants }: ReportData): Content {
  const [first, ...others] = variants as [VariantRow, ...VariantRow[]];
  if (others.length === 0) return markup`${model} plays ${extent(first)}.`;
  return others.map((variant, i) => {
    const way = i === 0 ? markup`${model} went from ${extent(first)} to ` : markup` Then to `;
    const times = (of: (variant: VariantRow) => number) => formatRatio(of(variant) / of(first));
    return markup`${way}${extent(variant)}: <strong>${times((v) => v.bytes)} the size</strong> at <strong>${times(
      (v) => v.perplexity,
    )} the perplexity</strong> and <strong>${times((v) => v.tokensPerSecond)} the speed</strong>.`;
  });
}

function extent({ steps, dropped = [] }: VariantRow): string {
  const played = steps.filter((_, step) => !dropped.includes(step));
  const blocks = new Set(played.map(({ block }) => block)).size;
  return `${count(played.length, "layer")} from ${count(blocks, "block")}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

interface Measure {
  readonly name: string;
  readonly hint: string;
  readonly of: (variant: VariantRow) => number;
  readonly write: (value: number) => string;
}

const MEASURES: readonly Measure[] = [
  { name: "Size", hint: "weights in memory", of: (v) => v.bytes, write: formatBytes },
  { name: "Unique parameters", hint: "stored", of: (v) => v.uniqueParameters, write: formatShortCount },
  { name: "Effective parameters", hint: "as played", of: (v) => v.effectiveParameters, write: formatShortCount },
  { name: "Key/value cache", hint: "for each token", of: (v) => v.kvBytesPerToken, write: formatBytes },
  { name: "Perplexity", hint: "lower is better", of: (v) => v.perplexity, write: formatNumber },
  { name: "Speed", hint: "decode, tokens/s", of: (v) => v.tokensPerSecond, write: formatNumber },
];

function costs({ variants, text }: ReportData): Content {
  const first = variants[0]!;
  const rows = MEASURES.map(({ name, hint, of, write }) => {
    const cells = variants.map((variant) => {
      const ratio = variant !== first && markup` <small>${formatRatio(of(variant) / of(first))}</small>`;
      return markup`<td>${write(of(variant))}${ratio}</td>`;
    });
    return markup`<tr><th scope="row">${name} <small>${hint}</small></th>${cells}</tr>
`;
  });
  return markup`<div class="wide"><table>
<thead><tr><td></td>${variants.map(({ name }) => markup`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${rows}</tbody>
</table></div>
<p class="note">Small figures: times as much as “${first.name}”. Perplexity on ${text.name}, ${formatCount(text.tokens)} tokens.</p>`;
}

function tasks({ variants }: ReportData): Content {
  const first = variants[0]!.tasks;
  const row = (name: string, hint: string, cells: readonly string[]) =>
    markup`<tr><th scope="row">${name} <small>${hint}</small></th>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>
`;
  const shares = first.map(({ title, metrics, items }, t) =>
    row(
      title,
      `${metrics.acc_norm ? "acc_norm" : "acc"}, ${count(items, "item")}`,
      variants.map(({ tasks }) => formatShare(tasks[t]!.score)),
    ),
  );
  const perplexities = first.flatMap(({ title, metrics }, t) =>
    metrics.perplexity
      ? [
          row(
            title,
            "perplexity",
            variants.map(({ tasks }) => formatPerplexity(tasks[t]!.metrics.perplexity!)),
          ),
        ]
      : [],
  );
  const means = variants.map(({ tasks }) => formatShare(taskMean(tasks)));
  return markup`<div class="wide"><table>
<thead><tr><td></td>${variants.map(({ name }) => markup`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${shares}${first.length > 1 && row("Mean", "", means)}${perplexities}</tbody>
</table></div>
<p class="note">Zero-shot, with prompts and scoring as in lm-evaluation-harness 0.4.13; ± is one standard error.</p>
<figure>${new Markup(taskBars({ models: variants }))}</figure>`;
}

function similarityPictures(data: ReportData, { text, measured }: NonNullable<ReportData["similarity"]>): Content {
  const dropped = data.variants.find((variant) => variant.dropped)?.dropped ?? [];
  const sample = { name: text, tokens: measured.tokens, windows: measured.windows };
  const errors = measured.standardErrors?.influence;
  const map = heatMap({ model: data.model, text: sample, angular: measured.angular, dropped });
  const chart = bars({
    model: data.model,
    text: sample,
    influence: measured.influence,
    dropped,
    ...(errors && { errors }),
  });
  return markup`<p>A layer that hardly turns the hidden state is hardly missed. In the map a cell stands for a run of layers: below it
its first layer, to the left how many there are. The darker, the less the run changes.</p>
<figure>${new Markup(map)}</figure>
<figure>${new Markup(chart)}</figure>`;
}

function schedules({ variants }: ReportData): Content {
  return markup`<figure>${new Markup(strips({ title: "The schedules", strips: variants }))}</figure>`;
}

function samples({ variants, prompt }: ReportData): Content {
  const cards = variants.map(
    ({ name, sample }) => markup`<article><h3>${name}</h3><p class="text">${sample}</p></article>
`,
  );
  return markup`<p>To this prompt:</p>
<blockquote class="text">${prompt}</blockquote>
<div class="cards">
${cards}</div>`;
}

function conditions({ date, machine, engine, notes }: ReportData): Content {
  return markup`<dl>
<dt>Date</dt><dd>${date}</dd>
<dt>Machine</dt><dd>${machine}</dd>
<dt>Engine</dt><dd>${engine}</dd>
</dl>
${notes.length > 0 && markup`<ul>${notes.map((note) => markup`<li>${note}</li>`)}</ul>`}`;
}
