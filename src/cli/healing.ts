/** What `refrain heal` and `refrain distill` share: their options, and the way from a learner to a folder that is known to work. */
import { existsSync } from "node:fs";
import { inputError } from "../errors.ts";
import type { AdaptedModules } from "../model/adapter.ts";
import type { Model } from "../refrain.ts";
import { formatBytes, formatCount, formatDuration, formatNumber, formatRate } from "../report/format.ts";
import { svgToPng } from "../report/node-png.ts";
import { trainingCurve } from "../report/training-report.ts";
import { requireFree } from "../shrink/shrink.ts";
import { verifyWritten } from "../shrink/verify.ts";
import { readText, type TextFile } from "../text/read-text.ts";
import { type HealResult, heal } from "../train/heal.ts";
import type { Healed, HealOptions, Teacher } from "../train/heal-options.ts";
import { healRecord } from "../train/heal-record.ts";
import { healStateFiles, removeHealState, requireNoHealState } from "../train/heal-state.ts";
import { explainFailedWrite } from "../train/run-state.ts";
import { verifyAdapter } from "../train/verify-adapter.ts";
import { whileWriting } from "../weights/lock.ts";
import { requireFreeAdapter, writePeft } from "../weights/peft.ts";
import type { CommandContext } from "./define.ts";
import { withModel } from "./model.ts";
import { choice, flag, integer, modelOptions, number, text, type ValuesOf } from "./options.ts";
import { quoted } from "./quoted.ts";
import { needText } from "./text-options.ts";

/** Tokens that are read where no budget is given. */
const USUAL_TOKENS = 50_000;

export const healingOptions = {
  text: text({ hint: "FILE", description: "the text to learn from, UTF-8; its end is held out" }),
  out: text({ hint: "OUT", alias: "o", description: "the folder to write" }),
  rank: integer({ hint: "R", min: 1, max: 4096, description: "rank of the adapter (LoRA)" }),
  modules: choice(["ffn", "attention", "all"] satisfies AdaptedModules[], {
    description: "linear maps that the adapter adapts (default all)",
  }),
  layers: integer({
    hint: "N",
    min: 1,
    max: 4096,
    description:
      "instead of an adapter, train all weights of the last N layers, the final norm and the output projection",
  }),
  temperature: number({ hint: "T", min: 0.1, max: 100, description: "softens teacher and student (default 1)" }),
  hidden: number({
    hint: "X",
    min: 0,
    max: 1e6,
    description: "add X times the mean squared difference of hidden states (default 0)",
  }),
  "cross-entropy": number({
    hint: "X",
    min: 0,
    max: 1e6,
    description: "add X times the cross-entropy on the text (default: 1, with a teacher 0)",
  }),
  tokens: integer({
    hint: "N",
    min: 1,
    max: 1_000_000_000,
    description: `tokens to learn from (default ${USUAL_TOKENS.toLocaleString("en")})`,
  }),
  minutes: number({
    hint: "M",
    min: 0,
    max: 100_000,
    aboveMin: true,
    description: "instead, as many as M minutes allow; the result then depends on the machine",
  }),
  sequences: integer({ hint: "N", min: 1, max: 4096, description: "sequences of a step (default 4)" }),
  length: integer({ hint: "N", min: 2, max: 1_048_576, description: "tokens of a sequence (default 128)" }),
  rate: number({
    hint: "X",
    min: 0,
    max: 10,
    aboveMin: true,
    description: "highest learning rate (default: 1e-3 for adapters, 1e-4 for weights)",
  }),
  seed: integer({
    hint: "N",
    min: 0,
    max: 2 ** 32 - 1,
    description: "order of the text and first weights (default 0)",
  }),
  resume: flag({ description: "go on with the run that was stopped, after its last checkpoint" }),
  overwrite: flag({ description: "replace OUT, if Refrain wrote it" }),
  weights: modelOptions.weights,
  threads: modelOptions.threads,
} as const;

type Values = ValuesOf<typeof healingOptions>;

export interface HealingRequest {
  /** "heal" or "distill", for messages. */
  readonly command: string;
  readonly model: string;
  readonly schedule?: string | undefined;
  readonly teacher?: Teacher | undefined;
  /** What learns where no option says it. */
  readonly usual: Healed;
  /** Fold an adapter into the weights. */
  readonly merge: boolean;
}

type Context = Pick<CommandContext, "output" | "signal" | "onProgress">;

export async function runHealing(request: HealingRequest, values: Values, context: Context): Promise<void> {
  const { command } = request;
  if (values.out === undefined) {
    throw inputError("option-missing", `refrain ${command}: -o OUT is missing`, "Name a new folder.");
  }
  const out = values.out.replace(/(?<=.)[/\\]+$/, "");
  const options = healOptions(request, values);
  const file = await readText(needText(values.text, command));
  await whileWriting(out, () =>
    healTo(out, request, options, file, values, context).catch(async (error: unknown) => {
      const state = `${out}.heal`;
      const { checkpoint } = healStateFiles(state);
      // A log is of no use without a checkpoint to go on from.
      if (!existsSync(checkpoint)) await removeHealState(state);
      throw explainFailedWrite(error, { checkpoint });
    }),
  );
}

async function healTo(
  out: string,
  request: HealingRequest,
  options: HealOptions,
  file: TextFile,
  values: Values,
  { output, signal, onProgress }: Context,
): Promise<void> {
  const { merge } = request;
  const { overwrite, resume, threads } = values;
  const state = `${out}.heal`;
  if (!resume) await requireNoHealState(state);
  await withModel(
    request.model,
    { ...values, context: undefined, schedule: request.schedule },
    { signal, onProgress },
    async (model) => {
      const asAdapter = options.healed?.kind === "lora" && !merge;
      if (asAdapter) await requireFreeAdapter(out, overwrite);
      else await requireFree(model, out, overwrite);
      const note = (line: string) => output.note(line);
      const result = await heal(model, file, { ...options, state, resume, note, signal, onProgress });
      try {
        const record = healRecord(model, file, result);
        const extraFiles = {
          "heal.json": `${JSON.stringify(record, null, 2)}\n`,
          "heal.jsonl": result.log.map((entry) => `${JSON.stringify(entry)}\n`).join(""),
          ...(await pictures(model, file, result)),
        };
        const save = { overwrite, extraFiles, signal, onProgress };
        if (asAdapter) {
          await writePeft(out, result.adapter!, { ...save, transposed: model.config.modelType === "gpt2" });
          await verifyAdapter(model, result.model, out);
        } else await saveVerified(result.model, out, merge, { ...save, threads });
        await removeHealState(state);
        const { model: _, adapter: __, log: ___, ...facts } = result;
        output.result({ out, ...record, ...facts }, summary(request, out, result, asAdapter));
      } finally {
        await result.model.dispose();
      }
    },
  );
}

async function saveVerified(
  healed: Model,
  out: string,
  merge: boolean,
  { threads, ...options }: Parameters<Model["save"]>[1] & { readonly threads: number | undefined },
): Promise<void> {
  const merged = merge ? await healed.merged(options) : healed;
  try {
    await merged.save(out, options);
    await verifyWritten(merged, out, { ...options, threads });
  } finally {
    if (merge) await merged.dispose();
  }
}

function healOptions({ command, teacher, usual, merge }: HealingRequest, values: Values): HealOptions {
  const { rank, modules, layers, tokens, minutes, temperature, hidden } = values;
  const conflict = (message: string, help: string) =>
    inputError("option-conflict", `refrain ${command}: ${message}`, help);
  if (layers !== undefined && (rank !== undefined || modules !== undefined || merge)) {
    throw conflict("--layers trains weights, --rank, --modules and --merge are of adapters", "Leave one of them out.");
  }
  if (tokens !== undefined && minutes !== undefined) {
    throw conflict("--tokens and --minutes are both given", "Give one budget.");
  }
  if (teacher === undefined && (temperature !== undefined || hidden !== undefined)) {
    throw conflict(`--${temperature === undefined ? "hidden" : "temperature"} is for a --teacher`, "Name one.");
  }
  return {
    healed: healedBy({ rank, modules, layers }, usual),
    teacher: teacher === undefined ? undefined : { ...teacher, temperature, hidden },
    crossEntropy: values["cross-entropy"],
    budget: minutes === undefined ? { tokens: tokens ?? USUAL_TOKENS } : { seconds: 60 * minutes },
    sequences: values.sequences,
    length: values.length,
    rate: values.rate,
    seed: values.seed,
  };
}

function healedBy({ rank, modules, layers }: Pick<Values, "rank" | "modules" | "layers">, usual: Healed): Healed {
  if (layers !== undefined) return { kind: "layers", count: layers };
  if (rank === undefined && modules === undefined) return usual;
  return { kind: "lora", rank: rank ?? 8, modules: modules ?? "all" };
}

async function pictures(model: Model, text: TextFile, { log, parameters, runSteps }: HealResult) {
  const svg = trainingCurve({
    title: "What did healing bring?",
    subtitle: `${model.name}, schedule ${model.schedule}; ${formatCount(parameters)} trained numbers, ${formatCount(runSteps)} steps on ${text.name}`,
    log,
  });
  return { "curve.svg": svg, "curve.png": await svgToPng(svg) };
}

function summary({ model, schedule }: HealingRequest, out: string, result: HealResult, asAdapter: boolean): string {
  const { before, after, tokens, tokensPerSecond, memory, runSteps, parameters } = result;
  const perplexity = (loss: number) => formatNumber(Math.exp(loss));
  const next = asAdapter
    ? `refrain run ${quoted(model)}${schedule === undefined ? "" : ` --schedule ${quoted(schedule)}`} --adapter ${quoted(out)} "Once upon a time"`
    : `refrain run ${quoted(out)} "Once upon a time"`;
  return [
    `${out}: perplexity on held-out text ${perplexity(before)} before, ${perplexity(after)} after ${formatCount(runSteps)} steps (loss ${formatNumber(before, 4)}, ${formatNumber(after, 4)}).`,
    ...(after >= before ? ["It did not get better: try a lower --rate, more --tokens or another text."] : []),
    `${formatCount(parameters)} trained numbers${asAdapter ? ", an adapter in PEFT's format" : ""}. Opened again and played: as it was in memory.`,
    ...(tokens > 0
      ? [
          `${formatCount(tokens)} tokens in ${formatDuration(tokens / tokensPerSecond)}: ${formatRate(tokensPerSecond, "tokens")}, ${formatBytes(memory.total)} of memory.`,
        ]
      : []),
    `Next: ${next}`,
  ].join("\n");
}
