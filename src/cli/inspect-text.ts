/** What `refrain inspect` prints for a person. */
import type { Inspection, ScheduleInspection } from "../measure/inspection.ts";
import { doubt } from "../report/doubt.ts";
import { formatBytes, formatCount, formatNumber, formatPercent, formatShortCount } from "../report/format.ts";
import { type Column, type Row, textTable } from "../report/table.ts";
import type { NamedDevice } from "./known-device.ts";

const formats = { safetensors: "safetensors", gguf: "GGUF", "llama2.c": "llama2.c" } as const;

/** `name` is what the person called the model; speeds were predicted for `device`, if for any. */
export function inspectionText(
  name: string,
  inspection: Inspection,
  withTensors: boolean,
  device: NamedDevice | undefined,
): string {
  const { schedules } = inspection;
  const titles = schedules.length === 1 ? [""] : ["as stored", ...schedules.slice(1).map(() => "--schedule")];
  return [
    facts(name, inspection),
    ...schedules.flatMap((schedule, i) => [words(schedule, titles[i]!), parts(schedule)]),
    figures(schedules, titles),
    ...(inspection.config.bidirectional ? [] : [device ? speeds(schedules, titles, device) : NO_PROFILE]),
    ...(withTensors ? [tensors(inspection)] : []),
    ...(inspection.problems.length > 0 ? [problems(inspection.problems)] : []),
  ].join("\n\n");
}

function facts(name: string, { format, config: c, file }: Inspection): string {
  const types = Object.entries(file.bytesByType).sort(([, a], [, b]) => b - a);
  const stored = types.map(([type, bytes]) => `${type} ${formatBytes(bytes)}`).join(", ");
  const windows = c.windows.filter((window) => window !== undefined);
  const windowed = windows.length === c.blocks ? "every block" : `${windows.length} of ${c.blocks} blocks`;
  const heads =
    c.kvHeads === c.heads
      ? `${c.heads}, ${c.headWidth} wide`
      : `${c.heads} for queries, ${c.kvHeads} for keys and values, ${c.headWidth} wide`;
  const embedded = c.embeddingSize === c.hiddenSize ? "" : `, embeddings ${formatCount(c.embeddingSize)}`;
  const lines: readonly (readonly [string, string])[] = [
    ["model", name],
    [
      "family",
      c.bidirectional ? `${c.modelType}, an encoder: predicts masked tokens, does not continue text` : c.modelType,
    ],
    [
      "file",
      `${formats[format]}, ${formatCount(file.tensors)} ${file.tensors === 1 ? "tensor" : "tensors"}, ${formatBytes(file.bytes)}: ${stored}`,
    ],
    ["blocks", formatCount(c.blocks)],
    ["width", `${formatCount(c.hiddenSize)}${embedded}, feed-forward ${formatCount(c.ffnSize)}`],
    ["heads", heads],
    ["vocabulary", `${formatCount(c.vocabSize)} tokens`],
    ["context", `${formatCount(c.contextLength)} tokens`],
    ...windows.slice(0, 1).map((window) => ["window", `${formatCount(window)} tokens, in ${windowed}`] as const),
  ];
  return lines.map(([key, value]) => `${key.padEnd(11)} ${value}`).join("\n");
}

function words({ schedule, inWords }: ScheduleInspection, title: string): string {
  return `${"schedule".padEnd(11)} ${schedule}${title === "" ? "" : `   (${title})`}\n${" ".repeat(11)} ${inWords}`;
}

/** Where the parameters are. What is played as often as it is stored needs no second column. */
function parts({ cost }: ScheduleInspection): string {
  const shared = cost.effectiveParameters !== cost.uniqueParameters;
  const columns: readonly Column[] = [
    { title: "part", align: "left" },
    { title: shared ? "unique parameters" : "parameters" },
    { title: "share" },
    ...(shared ? [{ title: "effective parameters" }] : []),
  ];
  const row = (name: string, unique: number, share: number, effective: number): Row => [
    name,
    formatCount(unique),
    formatPercent(share),
    ...(shared ? [formatCount(effective)] : []),
  ];
  const rows = cost.parts.map(({ part, unique, share, effective }) => {
    const tied = part === "embedding" && cost.tiedEmbeddings;
    return row(tied ? "embedding, also the head" : part, unique, share, effective);
  });
  return textTable(columns, [...rows, row("all", cost.uniqueParameters, 1, cost.effectiveParameters)]);
}

/** A line for each figure, a column for each schedule. */
function figures(schedules: readonly ScheduleInspection[], titles: readonly string[]): string {
  const { context } = schedules[0]!.cache;
  const line = (name: string, figure: (schedule: ScheduleInspection) => string): Row => [
    name,
    ...schedules.map(figure),
  ];
  const depth = (layers: number) => formatNumber(layers, 4).replace(/\.0+$/, "");
  return textTable(
    [{ title: "cost", align: "left" }, ...titles.map((title) => ({ title }))],
    [
      line("parameters, unique", ({ cost }) => formatCount(cost.uniqueParameters)),
      line("parameters, effective", ({ cost }) => formatCount(cost.effectiveParameters)),
      line("depth, unique", ({ cost }) => depth(cost.uniqueDepth)),
      line("depth, effective", ({ cost }) => depth(cost.effectiveDepth)),
      line("weights in memory, as in the file", ({ memory }) => formatBytes(memory.file)),
      ...(["f32", "f16", "q8", "q4"] as const).map((type) =>
        line(`weights in memory, ${type}`, ({ memory }) => formatBytes(memory[type])),
      ),
      ...(["f32", "q8"] as const).flatMap((type) => [
        line(`keys and values, a token, ${type}`, ({ cost }) => formatBytes(cost.kvBytesPerToken[type])),
        line(`keys and values, ${formatCount(context)} tokens, ${type}`, ({ cache }) => formatBytes(cache.bytes[type])),
      ]),
      line("FLOPs of the first token", ({ flops }) => formatShortCount(flops.first)),
      line(`FLOPs of token ${formatCount(context)}`, ({ flops }) => formatShortCount(flops.last)),
    ],
  );
}

const NO_PROFILE = "To have speeds predicted, measure this device once: refrain device";

/** Milliseconds, and what they mean in tokens a second. */
function speeds(schedules: readonly ScheduleInspection[], titles: readonly string[], device: NamedDevice): string {
  const { context } = schedules[0]!.cache;
  const { prompt } = schedules[0]!.speed!.file;
  const figure = (seconds: number, tokens = 1) =>
    `${formatNumber(seconds * 1000)} (${formatNumber(tokens / seconds)}/s)`;
  const line = (title: string, of: (speed: NonNullable<ScheduleInspection["speed"]>) => string): Row => [
    title,
    ...schedules.map(({ speed }) => of(speed!)),
  ];
  const table = textTable(
    [{ title: "predicted, ms (tokens/s)", align: "left" }, ...titles.map((title) => ({ title }))],
    [
      line("a token, weights as in the file", ({ file }) => figure(file.decode.seconds)),
      ...(["f32", "f16", "q8", "q4"] as const).map((type) =>
        line(`a token, weights in ${type}`, (speed) => figure(speed[type].decode.seconds)),
      ),
      line(`token ${formatCount(context)}, as in the file`, ({ file }) => figure(file.last.seconds)),
      line(`a prompt of ${prompt}, as in the file`, ({ file }) => figure(file.promptSeconds, prompt)),
    ],
  );
  const threads = device.threads === 1 ? "1 thread" : `${device.threads} threads`;
  const source = `${device.machine.processor}, ${threads}, as measured ${device.measuredAt.slice(0, 10)} (${device.path})`;
  return [table, source, ...doubt(device.otherWork)].join("\n");
}

function tensors({ tensors }: Inspection): string {
  const renamed = tensors.some(({ name, storedName }) => name !== storedName);
  return textTable(
    [
      { title: "tensor", align: "left" },
      ...(renamed ? [{ title: "in the file", align: "left" } as const] : []),
      { title: "type", align: "left" },
      { title: "shape", align: "left" },
      { title: "bytes" },
    ],
    tensors.map(({ name, storedName, type, shape, byteLength }) => [
      name,
      ...(renamed ? [storedName] : []),
      type,
      shape.join(" × "),
      formatCount(byteLength),
    ]),
  );
}

function problems(found: readonly string[]): string {
  const more = found.length - 5;
  return [
    "This model cannot be played:",
    ...found.slice(0, 5).map((problem) => `  ${problem}`),
    ...(more > 0 ? [`  and ${more} more of this kind`] : []),
  ].join("\n");
}
