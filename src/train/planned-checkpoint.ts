/** The model that a training file describes, before it is trained: config and tensors of what `refrain train` will write. */
import { parametersPlayed } from "../model/network.ts";
import type { Checkpoint, StoredTensor } from "../weights/checkpoint.ts";
import { modelOf, readTrainingConfig } from "./config.ts";
import { givenTokenizer, vocabularyToMake } from "./prepare.ts";

/** Its weights cannot be read. Throws what reading the file, and a tokenizer that it names, throws. */
export async function openPlanned(path: string): Promise<Checkpoint> {
  const training = await readTrainingConfig(path);
  const { json, config, steps } = modelOf(
    training,
    (await givenTokenizer(training))?.vocabSize ?? vocabularyToMake(training),
  );
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
