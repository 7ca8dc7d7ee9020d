/**
 * The teacher of a healing: a schedule of the student's own file, whose weights then stand in memory once, or another model of the
 * same vocabulary. What the student does not hold, or changes, is loaded besides, as `teacher NAME`.
 */
import type { Parameter, StorageType } from "../engine/parameter.ts";
import type { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { inputError } from "../errors.ts";
import { resolveSchedule } from "../load-checkpoint.ts";
import type { ModelConfig } from "../model/config.ts";
import { findTensor, type LoadWeightsOptions, loadWeights, storageType } from "../model/load-weights.ts";
import { parametersPlayed } from "../model/network.ts";
import { readConfig } from "../model/read-config.ts";
import type { Model } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { vocabularyDifference } from "../text/same-vocabulary.ts";
import { openTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { editedCheckpoint, editedNames } from "../weights/edited-checkpoint.ts";
import { fingerprint } from "../weights/fingerprint.ts";
import { openCheckpoint } from "../weights/open.ts";

export interface OpenTeacher {
  readonly config: ModelConfig;
  readonly steps: Steps;
  readonly fingerprint: string;
  readonly rename: (parameter: Parameter) => Parameter;
  /** How its own weights will be kept, by name. */
  readonly storage: ReadonlyMap<string, StorageType>;
  /** Its own weights, into a store that lies over the student's. */
  load(store: ParameterStore, options: LoadWeightsOptions): Promise<void>;
  close(): Promise<void>;
}

/**
 * `trained`: names of the student's parameters that will change. Throws `teacher-tokenizer` where the teacher's vocabulary is another,
 * and what opening a model throws.
 */
export async function openTeacher(
  student: Model,
  { model, schedule }: { readonly model?: string; readonly schedule?: string },
  trained: ReadonlySet<string>,
  options: LoadWeightsOptions,
): Promise<OpenTeacher> {
  const { store: held, weights } = student.memory;
  const own = await student.open();
  await own.close();
  const changed = new Set([...trained, ...editedNames(own)]);
  const checkpoint = await openCheckpoint(model ?? student.path, options);
  try {
    const config = await readConfig(checkpoint);
    const steps = resolveSchedule(config, schedule);
    if (model !== undefined) {
      const vocabulary = await checkpoint.vocabulary();
      refuseOtherVocabulary(student, config, vocabulary && (await openTokenizer(vocabulary)), model);
    }
    const isShared = (p: Parameter) => model === undefined && !changed.has(p.name) && held.has(p);
    const rename = (p: Parameter) => (isShared(p) ? p : { ...p, name: `teacher ${p.name}` });
    const besides = parametersPlayed(config, steps).filter((p) => !isShared(p));
    const tensors = besides.map((parameter) => ({
      parameter: rename(parameter),
      tensor: findTensor(checkpoint, parameter),
    }));
    return {
      config,
      steps,
      fingerprint: await fingerprint(checkpoint),
      rename,
      storage: new Map(tensors.map(({ parameter, tensor }) => [parameter.name, storageType(tensor.type, weights)])),
      load: (store, loading) => {
        const renamed = new Map(tensors.map(({ parameter, tensor }) => [parameter.name, tensor]));
        const parameters = tensors.map(({ parameter }) => parameter);
        return loadWeights(editedCheckpoint(checkpoint, { tensors: renamed }), parameters, weights, store, loading);
      },
      close: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** Logits are compared one by one, so every token must mean the same to both. */
function refuseOtherVocabulary(
  student: Model,
  config: ModelConfig,
  tokenizer: Tokenizer | undefined,
  teacher: string,
): void {
  const own = student.needTokenizer();
  const refuse = (problem: string) =>
    inputError(
      "teacher-tokenizer",
      `${teacher} has another tokenizer than ${student.name}: ${problem}`,
      "Its logits mean other tokens. Take a teacher with the same vocabulary, or heal without one.",
    );
  if (tokenizer === undefined) throw refuse("it brings none");
  if (config.vocabSize !== student.config.vocabSize) {
    throw refuse(`${config.vocabSize} logits, where the student has ${student.config.vocabSize}`);
  }
  const difference = vocabularyDifference(tokenizer, own);
  if (difference !== undefined) throw refuse(difference);
}

/**
 * Boundaries of steps at which the student's residual stream is to be the teacher's. Where the student's steps are some of the
 * teacher's, what enters a step that was kept is to be what entered it; else only what leaves the last step.
 */
export function matchBoundaries(
  student: Steps,
  teacher: Steps,
): readonly { readonly student: number; readonly teacher: number }[] {
  const names = (steps: Steps) => steps.map((step) => printSteps([step]));
  const [own, all] = [names(student), names(teacher)];
  const entered: { student: number; teacher: number }[] = [];
  let at = 0;
  for (const [i, name] of own.entries()) {
    at = all.indexOf(name, at);
    if (at < 0) break;
    // What enters the first step is the embedding of both.
    if (i > 0) entered.push({ student: i, teacher: at });
    at++;
  }
  const last = { student: student.length, teacher: teacher.length };
  return at < 0 ? [last] : [...entered, last];
}
