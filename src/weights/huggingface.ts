/**
 * Opens a Hugging Face model folder: config.json, safetensors, tokenizer.json. What families of models call their
 * tensors differs a little with who saved them; here every name becomes the one of the model with its language head.
 */
import { join } from "node:path";
import { inputError, RefrainError } from "../errors.ts";
import { albertName } from "./albert-names.ts";
import type { Checkpoint, StoredTensor, VocabularySource } from "./checkpoint.ts";
import { JsonReader, shorten } from "./json-reader.ts";
import { readJsonObject, readSmallFile } from "./node-file.ts";
import { openShards, type PlacedTensor, type ShardFiles } from "./shards.ts";
import { tensorReader } from "./tensor-reader.ts";

const maxConfigBytes = 4 << 20;
/** The largest public tokenizer.json files have 35 MB. */
const maxTokenizerBytes = 256 << 20;

/**
 * `weightsFile` names one safetensors file of the folder instead of the usual ones; `files` says where the weights are if
 * they are elsewhere. Errors: `config-missing`, `json`, `file-too-large`, `tensor-name-collision`, those of `openShards`;
 * when a tensor is asked for: `tensor-type`.
 */
export async function openHuggingFace(folder: string, weightsFile?: string, files?: ShardFiles): Promise<Checkpoint> {
  const config = await readJsonObject(join(folder, "config.json"), maxConfigBytes).catch((error: unknown) => {
    if (!RefrainError.is(error) || error.code !== "file-missing") throw error;
    const help = "A Hugging Face model folder has config.json, model.safetensors and tokenizer.json.";
    throw inputError("config-missing", `${folder} has no config.json`, help);
  });
  const shards = await openShards(folder, weightsFile, files);
  try {
    const placed = new Map<string, PlacedTensor>();
    for (const tensor of shards.tensors.values()) {
      const name = modelName(tensor.name, config);
      if (name === undefined) continue;
      const other = placed.get(name);
      if (other !== undefined) {
        const names = `${JSON.stringify(shorten(other.name))} and ${JSON.stringify(shorten(tensor.name))}`;
        throw inputError("tensor-name-collision", `${folder}: tensors ${names} are both ${shorten(name)}`);
      }
      placed.set(name, tensor);
    }
    return {
      format: "safetensors",
      path: folder,
      config,
      tensors: new StoredTensors(placed),
      vocabulary: () => readVocabulary(folder, config),
      ...tensorReader((name) => placed.get(name)),
      close: shards.close,
    };
  } catch (error) {
    await shards.close();
    throw error;
  }
}

/**
 * The name of a tensor in the model with its language head, or undefined for what is not trained. Models that were
 * saved without the head lack the prefix; old files hold the causal mask and the rotary frequencies.
 */
function modelName(name: string, config: Readonly<Record<string, unknown>>): string | undefined {
  if (config.model_type === "albert") return albertName(name, config);
  if (/\battn\.(bias|masked_bias)$/.test(name) || name.endsWith(".rotary_emb.inv_freq")) return undefined;
  if (/^(wte|wpe|h|ln_f)\./.test(name)) return `transformer.${name}`;
  if (/^(embed_tokens|layers|norm)\./.test(name)) return `model.${name}`;
  return name;
}

/**
 * The tensors that Refrain can compute with. One of another type (an AWQ or GPTQ integer, say) is not listed, and asking
 * for it says why it is of no use, where "no such tensor" would mislead.
 */
class StoredTensors extends Map<string, StoredTensor> {
  private readonly placed: ReadonlyMap<string, PlacedTensor>;

  constructor(placed: ReadonlyMap<string, PlacedTensor>) {
    super();
    this.placed = placed;
    for (const [name, { name: storedName, dtype, shape, begin, end }] of placed) {
      if (isStoredType(dtype)) this.set(name, { name, storedName, type: dtype, shape, byteLength: end - begin });
    }
  }

  override has(name: string): boolean {
    return this.placed.has(name);
  }

  override get(name: string): StoredTensor | undefined {
    const tensor = super.get(name);
    const placed = this.placed.get(name);
    if (tensor !== undefined || placed === undefined) return tensor;
    throw inputError(
      "tensor-type",
      `${placed.file.name}: tensor ${JSON.stringify(shorten(placed.name))} (at byte ${placed.begin}) is ${placed.dtype}, expected F32, F16 or BF16`,
      "Quantized safetensors (AWQ, GPTQ, bitsandbytes, FP8) cannot be read; take the original model, or a GGUF file.",
    );
  }
}

function isStoredType(dtype: string): dtype is "F32" | "F16" | "BF16" {
  return dtype === "F32" || dtype === "F16" || dtype === "BF16";
}

/**
 * tokenizer.json and tokenizer_config.json, the latter with what newer folders keep beside it: `chat_template` from
 * chat_template.jinja, `eos_token_id` (a number or a list) from generation_config.json, else config.json. A folder that
 * was made from a llama2.c model has tokenizer.bin instead.
 */
async function readVocabulary(
  folder: string,
  model: Readonly<Record<string, unknown>>,
): Promise<VocabularySource | undefined> {
  const text = await optional(readSmallFile(join(folder, "tokenizer.json"), maxTokenizerBytes));
  if (text === undefined) {
    const bytes = await optional(readSmallFile(join(folder, "tokenizer.bin"), maxTokenizerBytes));
    return bytes && { kind: "llama2.c", bytes, vocabSize: Number(model.vocab_size) };
  }
  const template = await optional(readSmallFile(join(folder, "chat_template.jinja"), maxConfigBytes));
  const generation = await optional(readJsonObject(join(folder, "generation_config.json"), maxConfigBytes));
  const eos = generation?.eos_token_id ?? model.eos_token_id;
  return {
    kind: "huggingface",
    tokenizer: parseLarge(text, join(folder, "tokenizer.json")),
    config: {
      ...(await optional(readJsonObject(join(folder, "tokenizer_config.json"), maxTokenizerBytes))),
      ...(template === undefined ? {} : { chat_template: new TextDecoder().decode(template) }),
      ...(eos === undefined ? {} : { eos_token_id: eos }),
    },
  };
}

/** JSON.parse, for its speed; what it refuses is read again by a reader that knows where. */
function parseLarge(bytes: Uint8Array, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {}
  const json = new JsonReader(bytes, { name: path, code: "json" });
  for (const _ of json.keys()) json.value();
  json.end();
  throw inputError("json", `${path} cannot be parsed`);
}

/** What `reading` gives, or undefined where there is no such file. */
async function optional<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (RefrainError.is(error) && error.code === "file-missing") return undefined;
    throw error;
  }
}
