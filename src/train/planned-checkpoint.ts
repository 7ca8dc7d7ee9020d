/** The model that a training file describes, before it is trained: config and tensors of what `refrain train` will write. */
import { resolve } from "node:path";
import { parametersPlayed } from "../model/network.ts";
import { BYTE_VOCABULARY } from "../text/new-tokenizer.ts";
import type { Checkpoint, StoredTensor } from "../weights/checkpoint.ts";
import { isEncoder, modelOf, readTrainingConfig, type TrainingConfig } from "./config.ts";
import { existingTokenizer } from "./prepare.ts";

/** Its weights cannot be read. Throws what reading the file, and a tokenizer that it names, throws. */
export async function openPlanned(path: string): Promise<Checkpoint> {
  const training = await readTrainingConfig(path);
  const { json, config, steps } = modelOf(training, await vocabularySize(training));
  const tensors = parametersPlayed(config, steps).map(({ name, kind, rows, columns, transposed }): StoredTensor => {
    const shape = kind === "vector" ? [columns] : transposed ? [columns, rows] : [rows, columns];
    return { name, storedName: name, type: "F32", shape, byteLength: rows * columns * 4 };
  });
  const noWeights = async () => {
    throw new Error(`${path} holds no weights`);
  };
  return {
    format: "safetensors",
    path,
    config: json,
    tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    vocabulary: async () => undefined,
    read: noWeights,
    readInto: noWeights,
    close: async () => {},
  };
}

/** Byte pairs may turn out to be fewer, where a text has no more. */
async function vocabularySize(config: TrainingConfig): Promise<number> {
  const { tokenizer, folder } = config;
  if (tokenizer === "bytes") return BYTE_VOCABULARY + (isEncoder(config) ? 1 : 0);
  return typeof tokenizer === "string"
    ? (await existingTokenizer(resolve(folder, tokenizer))).vocabSize
    : tokenizer.bpe;
}
