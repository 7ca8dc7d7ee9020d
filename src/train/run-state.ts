/**
 * The checkpoint of a run: one safetensors file with the weights and both moments of every trained parameter, and in its metadata the
 * steps taken and what the run is of. It replaces the one before only when it is whole and on disk, so whenever a run is killed
 * there is one. `Learner.restore` makes of it a learner that goes on with the same bits; which batch comes next follows from the steps.
 */
import { existsSync } from "node:fs";
import type { Parameter } from "../engine/parameter.ts";
import { failure, inputError, RefrainError } from "../errors.ts";
import type { ByteSource } from "../weights/byte-source.ts";
import type { Disk } from "../weights/disk.ts";
import { openFile } from "../weights/node-file.ts";
import { replaceFile } from "../weights/replace-file.ts";
import { readSafetensorsHeader, type SafetensorsHeader } from "../weights/safetensors.ts";
import { type TensorToWrite, weightFile } from "../weights/save.ts";
import type { Learner, ParameterState } from "./learner.ts";

/** Bytes of states that are in memory at once. */
const BATCH_BYTES = 256 << 20;

/** What a run is of, by name: hashes of its configuration and its data. A run only goes on with the same. */
export type Identity = Readonly<Record<string, string>>;

const kinds = ["weights", "first", "second"] as const;
const tensorName = (kind: (typeof kinds)[number], { name }: Parameter) => `${kind} ${name}`;

/** Throws `disk-full`, `not-writable`; the checkpoint before is then as it was. */
export async function saveRun(path: string, learner: Learner, identity: Identity, disk?: Disk): Promise<void> {
  const tensors = learner.trained.flatMap((parameter): TensorToWrite[] => {
    let state: ParameterState | undefined;
    return kinds.map((kind) => ({
      name: tensorName(kind, parameter),
      type: "F32",
      shape: [parameter.rows, parameter.columns],
      byteLength: parameter.rows * parameter.columns * 4,
      async *chunks() {
        state ??= learner.read(parameter);
        const { buffer, byteOffset, byteLength } = state[kind];
        // The last of a parameter lets its state go.
        if (kind === "second") state = undefined;
        yield new Uint8Array(buffer, byteOffset, byteLength);
      },
    }));
  });
  const file = weightFile("checkpoint", tensors, { ...identity, steps: String(learner.steps) });
  await replaceFile(path, file.bytes, file.chunks(), disk);
}

export interface SavedRun {
  readonly steps: number;
  readonly identity: Identity;
  /** Makes of a learner of the same parameters the one that was saved. Throws `checkpoint-damaged`. */
  restore(learner: Learner): Promise<void>;
  close(): Promise<void>;
}

/** Opens a checkpoint, or gives undefined where there is none. Throws `checkpoint-damaged`. */
export async function openRun(path: string): Promise<SavedRun | undefined> {
  let file: ByteSource;
  try {
    file = await openFile(path);
  } catch (error) {
    if (RefrainError.is(error) && error.code === "file-missing") return undefined;
    throw error;
  }
  try {
    const header = await readSafetensorsHeader(file);
    const { steps, format: _, writer: __, ...identity } = Object.fromEntries(header.metadata);
    if (steps === undefined || !/^\d+$/.test(steps)) throw damaged(path, "it says no number of steps");
    return {
      steps: Number(steps),
      identity,
      restore: (learner) => restore(path, file, header, learner, Number(steps)),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    if (RefrainError.is(error) && error.code.startsWith("safetensors-")) throw damaged(path, error.message);
    throw error;
  }
}

async function restore(
  path: string,
  file: ByteSource,
  { tensors }: SafetensorsHeader,
  learner: Learner,
  steps: number,
): Promise<void> {
  let states: [Parameter, ParameterState][] = [];
  let bytes = 0;
  for (const parameter of learner.trained) {
    const state = { weights: new Float32Array(), first: new Float32Array(), second: new Float32Array() };
    for (const kind of kinds) {
      const tensor = tensors.get(tensorName(kind, parameter));
      const numbers = parameter.rows * parameter.columns;
      if (tensor?.dtype !== "F32" || tensor.end - tensor.begin !== numbers * 4) {
        throw damaged(path, `it lacks the ${kind} of ${parameter.name}`);
      }
      const values = new Float32Array(numbers);
      await file.readInto(new Uint8Array(values.buffer), tensor.begin);
      if (!values.every(Number.isFinite)) throw damaged(path, `a number of ${parameter.name} is not finite`);
      state[kind] = values;
      bytes += values.byteLength;
    }
    states.push([parameter, state]);
    if (bytes > BATCH_BYTES) {
      learner.restore(states, steps);
      [states, bytes] = [[], 0];
    }
  }
  learner.restore(states, steps);
}

/** Adds to `disk-full` and `not-writable` how the run goes on when that is mended; without `config` only a checkpoint can be gone on with. */
export function explainFailedWrite(error: unknown, files: { readonly checkpoint: string; readonly config?: string }) {
  if (!RefrainError.is(error) || !["disk-full", "not-writable"].includes(error.code)) return error;
  const kept = existsSync(files.checkpoint)
    ? "The last checkpoint is whole; the same command with --resume goes on from it."
    : files.config !== undefined && existsSync(files.config)
      ? "There is no checkpoint yet; the same command with --resume begins anew."
      : undefined;
  if (kept === undefined) return error;
  return failure(error.code, error.message, error.help ? `${error.help} ${kept}` : kept, error);
}

function damaged(path: string, problem: string): RefrainError {
  return inputError(
    "checkpoint-damaged",
    `${path} cannot be used: ${problem}`,
    "Begin the run again, in another folder.",
  );
}
