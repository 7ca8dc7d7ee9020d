/** What is solved so far, on disk: matrices as safetensors, and a list in the journal, which is written last and so names only what is there. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Parameter } from "../engine/parameter.ts";
import { inputError, RefrainError } from "../errors.ts";
import { openFile } from "../weights/node-file.ts";
import { replaceFile } from "../weights/replace-file.ts";
import { readSafetensorsHeader } from "../weights/safetensors.ts";
import { weightFile } from "../weights/save.ts";
import type { Journal } from "./method.ts";

/** The matrix by which a half writes to the residual stream, as solved. */
export interface SolvedHalf {
  readonly parameter: Parameter;
  /** [hiddenSize, n] */
  readonly values: Float32Array;
  /** Columns that are not zero, ascending. */
  readonly kept: readonly number[];
}

/** Throws `disk-full`, `not-writable`; what was kept before is then as it was. */
export async function keepSolved(journal: Journal | undefined, solved: readonly SolvedHalf[]): Promise<void> {
  if (!journal?.checkpoint || solved.length === 0) return;
  const { path, identity } = journal.checkpoint;
  const tensors = solved.map(({ parameter: { name, rows, columns }, values }) => ({
    name,
    type: "F32" as const,
    shape: [rows, columns],
    byteLength: values.byteLength,
    chunks: async function* () {
      yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    },
  }));
  const file = weightFile("solved", tensors, identity);
  await mkdir(dirname(path), { recursive: true });
  await replaceFile(path, file.bytes, file.chunks());
  await journal.write(solved.map(({ parameter, kept }) => ({ parameter: { ...parameter }, kept })));
}

/** Empty where nothing was kept. Throws `checkpoint-damaged`. */
export async function readSolved(journal: Journal | undefined): Promise<SolvedHalf[]> {
  const listed = (await journal?.read()) as unknown as readonly Omit<SolvedHalf, "values">[] | undefined;
  if (!journal?.checkpoint || listed === undefined) return [];
  const { path, identity } = journal.checkpoint;
  const file = await openFile(path).catch((error: unknown) => {
    if (RefrainError.is(error) && error.code === "file-missing") throw damaged(path, "it is gone");
    throw error;
  });
  try {
    const { tensors, metadata } = await readSafetensorsHeader(file);
    if (metadata.get("search") !== identity.search) throw damaged(path, "it is of another search");
    const solved: SolvedHalf[] = [];
    for (const half of listed) {
      const { name, rows, columns } = half.parameter;
      const tensor = tensors.get(name);
      if (tensor?.dtype !== "F32" || tensor.end - tensor.begin !== rows * columns * 4) {
        throw damaged(path, `it lacks ${name}`);
      }
      const values = new Float32Array(rows * columns);
      await file.readInto(new Uint8Array(values.buffer), tensor.begin);
      solved.push({ ...half, values });
    }
    return solved;
  } catch (error) {
    if (RefrainError.is(error) && error.code.startsWith("safetensors-")) throw damaged(path, error.message);
    throw error;
  } finally {
    await file.close();
  }
}

const damaged = (path: string, problem: string) =>
  inputError(
    "checkpoint-damaged",
    `${path} cannot be used: ${problem}`,
    "Delete it and the .json beside it: the search begins anew.",
  );
