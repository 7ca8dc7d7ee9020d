/**
 * Adapters in the folder format of PEFT (Hugging Face): `adapter_config.json` and `adapter_model.safetensors`, in which a pair is
 *
 *     base_model.model.<module>.lora_A.weight   [rank, inputs]
 *     base_model.model.<module>.lora_B.weight   [outputs, rank]
 *
 * and what it adds is scaled by alpha / r (with `use_rslora` by alpha / √r). Of the many variants that the config can name only this
 * plain one is read. What is ours: pairs of a step are called `<module>.step_<n>`, and the metadata of the tensors say which
 * `schedule` was played (in the config PEFT would warn of it). Nothing here knows a model: modules are names.
 */
import { join, resolve } from "node:path";
import * as v from "valibot";
import { inputError, type RefrainError } from "../errors.ts";
import { requireFree } from "./atomic.ts";
import type { ByteSource } from "./byte-source.ts";
import { dequantize } from "./dequantize.ts";
import { shorten } from "./json-reader.ts";
import { openFile, readJsonObject } from "./node-file.ts";
import { readSafetensorsHeader, type SafetensorsTensor } from "./safetensors.ts";
import { type SaveOptions, toJson, weightFile, writeFiles, wroteIt } from "./save.ts";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const maxConfigBytes = 1 << 20;
const maxRank = 4096;

/** Row-major. */
export interface StoredMatrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

export interface StoredPair {
  /** The adapted linear map, e.g. `model.layers.3.mlp.up_proj`. */
  readonly module: string;
  /** The step that the pair belongs to; undefined: wherever the module is played. */
  readonly step: number | undefined;
  /** [rank, inputs] */
  readonly a: StoredMatrix;
  /** [outputs, rank] */
  readonly b: StoredMatrix;
}

export interface StoredAdapter {
  readonly rank: number;
  /** What B A is multiplied by, times the rank. */
  readonly alpha: number;
  /** What the model that it adapts is called; for messages and for other tools. */
  readonly base: string | undefined;
  /** The schedule that it was trained with; undefined: the model's own. */
  readonly schedule: string | undefined;
  readonly pairs: readonly StoredPair[];
}

/** Variants that would compute something else; each must be absent, null, false, "none" or empty. */
const variants = [
  ...["use_dora", "use_qalora", "use_bdlora", "bias", "lora_bias", "modules_to_save", "alpha_pattern", "rank_pattern"],
  ...["layer_replication", "target_parameters", "trainable_token_indices", "alora_invocation_tokens"],
  ...["arrow_config", "kasa_config", "monteclora_config", "velora_config"],
] as const;

const schema = v.looseObject({
  peft_type: v.string(),
  r: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(maxRank)),
  lora_alpha: v.pipe(v.number(), v.finite()),
  use_rslora: v.optional(v.nullable(v.boolean())),
  base_model_name_or_path: v.optional(v.nullable(v.string())),
});

/**
 * Reads an adapter. Errors: `adapter-missing`, `adapter-config`, `adapter-kind` (a variant that is not played), `adapter-tensor`,
 * those of `readJsonObject` and of `readSafetensorsHeader`.
 */
export async function readPeft(folder: string): Promise<StoredAdapter> {
  const path = join(folder, CONFIG);
  const config = await readJsonObject(path, maxConfigBytes).catch((error: RefrainError) => {
    if (error.code !== "file-missing") throw error;
    const help = `An adapter is a folder with ${CONFIG} and ${WEIGHTS}, as Refrain and PEFT save it.`;
    throw inputError("adapter-missing", `${folder} has no ${CONFIG}`, help);
  });
  const parsed = v.safeParse(schema, config);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const expected = issue.expected ?? issue.requirement ?? "something else";
    throw inputError("adapter-config", `${path}: ${v.getDotPath(issue)}: expected ${expected}, got ${issue.received}`);
  }
  const { peft_type, r: rank, lora_alpha, use_rslora, base_model_name_or_path } = parsed.output;
  const kindHelp = "Refrain plays plain LoRA: y = W x + b + alpha / r · B A x.";
  if (peft_type !== "LORA") {
    throw inputError(
      "adapter-kind",
      `${path}: peft_type is ${JSON.stringify(shorten(peft_type))}, expected "LORA"`,
      kindHelp,
    );
  }
  const variant = variants.find((key) => !isNothing(config[key]));
  if (variant !== undefined) {
    const value = shorten(JSON.stringify(config[variant]));
    throw inputError("adapter-kind", `${path}: ${variant} is ${value}, which is not played`, kindHelp);
  }
  const file = await openFile(join(folder, WEIGHTS));
  try {
    return {
      rank,
      alpha: use_rslora ? lora_alpha * Math.sqrt(rank) : lora_alpha,
      base: base_model_name_or_path ?? undefined,
      ...(await readPairs(file, rank)),
    };
  } finally {
    await file.close();
  }
}

const isNothing = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  value === "none" ||
  (typeof value === "object" && Object.keys(value).length === 0);

async function readPairs(file: ByteSource, rank: number): Promise<Pick<StoredAdapter, "pairs" | "schedule">> {
  const { tensors, metadata } = await readSafetensorsHeader(file);
  const halves = new Map<string, { module: string; step: number | undefined; a?: StoredMatrix; b?: StoredMatrix }>();
  const tensorError = (name: string, problem: string) =>
    inputError("adapter-tensor", `${file.name}: tensor ${JSON.stringify(shorten(name))} ${problem}`);
  for (const tensor of tensors.values()) {
    const match = /^base_model\.model\.(.+?)(?:\.step_(\d{1,4}))?\.lora_([AB])(?:\.default)?\.weight$/.exec(
      tensor.name,
    );
    if (!match) throw tensorError(tensor.name, "is no half of a LoRA pair of a linear map");
    const [, module, step, half] = match as unknown as [string, string, string | undefined, "A" | "B"];
    const expected = half === "A" ? 0 : 1;
    if (tensor.shape.length !== 2 || tensor.shape[expected] !== rank) {
      throw tensorError(tensor.name, `is [${tensor.shape.join(", ")}], but the config says r = ${rank}`);
    }
    const key = `${module} ${step}`;
    const pair = halves.get(key) ?? { module, step: step === undefined ? undefined : Number(step) };
    halves.set(key, pair);
    const which = half === "A" ? "a" : "b";
    if (pair[which]) throw tensorError(tensor.name, `is the second lora_${half} of its module`);
    pair[which] = await readMatrix(file, tensor, tensorError);
  }
  if (halves.size === 0) throw inputError("adapter-tensor", `${file.name} holds no adapter`);
  const pairs = [...halves.values()].map(({ module, step, a, b }) => {
    if (!a || !b) throw tensorError(module, `has no lora_${a ? "B" : "A"}`);
    return { module, step, a, b };
  });
  return { pairs, schedule: metadata.get("schedule") };
}

async function readMatrix(
  file: ByteSource,
  { name, dtype, shape, begin, end }: SafetensorsTensor,
  tensorError: (name: string, problem: string) => RefrainError,
): Promise<StoredMatrix> {
  if (dtype !== "F32" && dtype !== "F16" && dtype !== "BF16") {
    throw tensorError(name, `is ${shorten(dtype)}, expected F32, F16 or BF16`);
  }
  const [rows, columns] = shape as [number, number];
  const values = new Float32Array(rows * columns);
  dequantize(dtype, await file.read(begin, end), values);
  if (!values.every(Number.isFinite)) throw tensorError(name, "holds a number that is not finite");
  return { rows, columns, values };
}

export interface WritePeftOptions extends Pick<SaveOptions, "overwrite" | "signal" | "disk"> {
  /** GPT-2's maps stand in its files as [inputs, outputs], which PEFT wants to be told. */
  readonly transposed?: boolean;
  /** More files for the folder, by name. */
  readonly extraFiles?: Readonly<Record<string, string | Uint8Array>>;
}

/** Writes `folder`, atomically. Errors: those of `saveFolder`. */
export async function writePeft(folder: string, adapter: StoredAdapter, options: WritePeftOptions = {}): Promise<void> {
  const { overwrite = false, transposed = false, extraFiles = {} } = options;
  const { rank, alpha, base, schedule, pairs } = adapter;
  const config = {
    base_model_name_or_path: base ?? null,
    bias: "none",
    fan_in_fan_out: transposed,
    inference_mode: true,
    lora_alpha: alpha,
    lora_dropout: 0,
    peft_type: "LORA",
    r: rank,
    target_modules: [...new Set(pairs.map(({ module }) => module))].sort(),
    task_type: "CAUSAL_LM",
  };
  const tensors = pairs.flatMap(({ module, step, a, b }) => {
    const at = `base_model.model.${module}${step === undefined ? "" : `.step_${step}`}`;
    return [tensorToWrite(`${at}.lora_A.weight`, a), tensorToWrite(`${at}.lora_B.weight`, b)];
  });
  const texts = Object.entries({ ...extraFiles, [CONFIG]: toJson(config) }).map(([name, text]) => {
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    return { name, bytes: bytes.length, chunks: () => [bytes] };
  });
  await writeFiles(folder, [weightFile(WEIGHTS, tensors, schedule === undefined ? {} : { schedule }), ...texts], {
    ...options,
    replaceable: replaceable(overwrite),
  });
}

/** Refuses what `writePeft` would refuse, before any work is done. Error: `output-exists`. */
export async function requireFreeAdapter(folder: string, overwrite: boolean): Promise<void> {
  await requireFree(resolve(folder), folder, replaceable(overwrite));
}

const replaceable = (overwrite: boolean) => async (existing: string) =>
  overwrite && (await wroteIt(existing, /^adapter_model\.safetensors$/));

function tensorToWrite(name: string, { rows, columns, values }: StoredMatrix) {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return {
    name,
    type: "F32" as const,
    shape: [rows, columns],
    byteLength: bytes.length,
    chunks: async function* () {
      yield bytes;
    },
  };
}
