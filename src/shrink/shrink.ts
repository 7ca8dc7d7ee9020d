/**
 * Shrinking, from the choice to a folder that is known to work: the written model is opened again and played before
 * anyone says that it succeeded. Which steps go is a method's choice (methods.ts); this file carries it out.
 */
import { realpath } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { inputError } from "../errors.ts";
import type { Similarity } from "../measure/similarity.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import { dropSteps } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { openCheckpoint } from "../weights/open.ts";
import { requireFreeFolder } from "../weights/save.ts";
import type { Shrunk } from "./method.ts";
import type { ShrinkRecord } from "./record.ts";
import type { Rule } from "./rule.ts";
import { type Verification, verifyWritten } from "./verify.ts";

export interface Choice {
  readonly steps: Steps;
  readonly dropped: readonly number[];
}

/** The steps of `steps` that remain when `rule` drops `drop` of them. */
export function choose(steps: Steps, rule: Rule, similarity: Similarity, drop: number): Choice {
  const dropped = rule.choose(similarity, drop);
  return { steps: dropSteps(steps, dropped), dropped };
}

/** The model that a method decided for. It shares weights with `model`, which need not outlive it. */
export function carryOut(
  model: Model,
  { steps, edit }: Pick<Shrunk, "steps" | "edit">,
  options: Pick<WriteOptions, "signal" | "onProgress">,
): Promise<Model> {
  const schedule = printSteps(steps);
  return edit ? model.edited(edit, schedule, options) : Promise.resolve(model.withSchedule(schedule));
}

export interface WriteOptions {
  readonly unrolled: boolean;
  readonly overwrite: boolean;
  /** More files for the folder, by name. */
  readonly files?: Readonly<Record<string, string | Uint8Array>> | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface Written {
  readonly verification: Verification;
  /** Of all tensors, on disk. */
  readonly bytes: { readonly source: number; readonly written: number };
}

/**
 * Writes `model` to `folder` with its record, opens it again, and plays both on a few tokens (verify.ts). Errors: `output-is-source`,
 * those of `Model.save`, and `verify`, where the written model does not play the same: it is left in place for inspection.
 */
export async function writeAndVerify(
  model: Model,
  folder: string,
  record: ShrinkRecord,
  { unrolled, overwrite, files, threads, signal, onProgress }: WriteOptions,
): Promise<Written> {
  await requireFree(model, folder, overwrite);
  const extraFiles = { ...files, "shrink.json": `${JSON.stringify(record, null, 2)}\n` };
  const source = unrolled ? await model.unrelaxed({ signal, onProgress }) : model;
  try {
    await source.save(folder, { unrolled, overwrite, extraFiles, signal, onProgress });
    const verification = await verifyWritten(source, folder, { threads, signal, onProgress });
    return { verification, bytes: { source: await tensorBytes(model.path), written: await tensorBytes(folder) } };
  } finally {
    if (source !== model) await source.dispose();
  }
}

async function tensorBytes(path: string): Promise<number> {
  const checkpoint = await openCheckpoint(path);
  try {
    return [...checkpoint.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  } finally {
    await checkpoint.close();
  }
}

/** What `writeAndVerify` would refuse at once; for those who have long work to do before they call it. */
export async function requireFree(model: Model, folder: string, overwrite: boolean): Promise<void> {
  const place = (path: string) => realpath(path).catch(() => resolve(path));
  const [source, target] = await Promise.all([place(model.path), place(folder)]);
  if (source === target || dirname(source) === target) {
    throw inputError(
      "output-is-source",
      `${folder} is where the model comes from`,
      "Choose another folder: a model cannot be read and replaced at once.",
    );
  }
  await requireFreeFolder(folder, overwrite);
}
