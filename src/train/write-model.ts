/**
 * The network as it is now, as the files of a Hugging Face model folder, into a folder that may have other files. config.json is written last:
 * a folder that has one is a model, so until then it is none.
 */
import { join } from "node:path";
import type { Parameter } from "../engine/parameter.ts";
import { familyOf } from "../model/families.ts";
import { parametersPlayed } from "../model/network.ts";
import { printSteps } from "../schedule/print.ts";
import { sameSteps } from "../schedule/schedule.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { replaceFile, replaceText } from "../weights/replace-file.ts";
import { type TensorToWrite, weightFile } from "../weights/save.ts";
import type { NewModel } from "./config.ts";

/** `read` gives a parameter's values, row-major [rows, columns]. Throws `disk-full`, `not-writable`. */
export async function writeModel(
  folder: string,
  { json, config, steps }: NewModel,
  tokenizer: Tokenizer,
  read: (parameter: Parameter) => Float32Array,
): Promise<void> {
  const { keys, plays, stored = (name: string) => name } = familyOf(config).counting(config.blocks, steps);
  const tensors = parametersPlayed(config, steps).map((parameter): TensorToWrite => {
    const { name, kind, rows, columns, transposed } = parameter;
    return {
      name: stored(name),
      type: "F32",
      shape: kind === "vector" ? [columns] : transposed ? [columns, rows] : [rows, columns],
      byteLength: rows * columns * 4,
      async *chunks() {
        const values = transposed ? turned(read(parameter), rows, columns) : read(parameter);
        yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      },
    };
  });
  const weights = weightFile("model.safetensors", tensors);
  await replaceFile(join(folder, weights.name), weights.bytes, weights.chunks());
  for (const [name, text] of Object.entries(tokenizer.files())) await replaceText(join(folder, name), text);
  const { refrain, ...plain } = json;
  const saved = {
    ...plain,
    ...keys,
    ...(tokenizer.bos !== undefined && { bos_token_id: tokenizer.bos }),
    ...(tokenizer.stops[0] !== undefined && { eos_token_id: tokenizer.stops[0] }),
    ...((config.relaxed || config.recurrence || !sameSteps(steps, plays)) && {
      refrain: {
        ...(refrain as object | undefined),
        schedule: (refrain as { schedule?: string } | undefined)?.schedule ?? printSteps(steps),
      },
    }),
  };
  await replaceText(join(folder, "config.json"), `${JSON.stringify(saved, null, 2)}\n`);
}

/** [rows, columns] as [columns, rows]. */
function turned(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!;
  }
  return out;
}
