import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { failure, RefrainError } from "../errors.ts";
import { resolveSchedule } from "../load-checkpoint.ts";
import { placeAdapter, toStored } from "../model/adapter-values.ts";
import { loadWeights } from "../model/load-weights.ts";
import { withTrainedWeights } from "../model/trained-block.ts";
import type { Model } from "../refrain.ts";
import { printSteps } from "../schedule/print.ts";
import type { TextFile } from "../text/read-text.ts";
import { fingerprint } from "../weights/fingerprint.ts";
import type { StoredAdapter } from "../weights/peft.ts";
import { yieldToEvents } from "../yield.ts";
import { initialValues } from "./adapter-start.ts";
import { parameterOptions } from "./groups.ts";
import { type HealOptions, type HealSettings, healSettings } from "./heal-options.ts";
import { planHealing, type Student, studentOf } from "./heal-plan.ts";
import { type HealIdentity, healStateFiles, identityOf, openHealState } from "./heal-state.ts";
import { openTeacher } from "./heal-teacher.ts";
import { type HealText, healText } from "./heal-text.ts";
import { judgedByText } from "./judged-by-text.ts";
import { Learner } from "./learner.ts";
import { describeLearner, type LearnerMemory } from "./learner-plan.ts";
import { rateSchedule } from "./rate.ts";
import { saveRun } from "./run-state.ts";
import { type LogEntry, lossAt, type Trained, train } from "./trainer.ts";
import { TrainingLog } from "./training-log.ts";

export interface HealResult extends Omit<Trained, "heldOutLoss"> {
  /** The healed model, playing from the weights of the one that was given and its own: to be disposed of. */
  readonly model: Model;
  /** What was learned, where that is an adapter (weights/peft.ts writes it). */
  readonly adapter: StoredAdapter | undefined;
  /** Cross-entropy on held-out text, nats a token, in windows of `length` tokens. */
  readonly before: number;
  readonly after: number;
  readonly settings: HealSettings;
  /** Of the whole run. */
  readonly runSteps: number;
  /** Numbers that were trained. */
  readonly parameters: number;
  readonly memory: LearnerMemory;
  readonly log: readonly LogEntry[];
}

/**
 * Heals `model` with `text`. Throws `heal-options`, `text-too-short`, `teacher-tokenizer`, `too-large`, `diverged`, `interrupted`, and what
 * `openHealState` throws.
 */
export async function heal(model: Model, text: TextFile, options: HealOptions): Promise<HealResult> {
  const { state, resume = false, note, signal, onProgress } = options;
  const { player, store: held } = model.memory;
  const settings = healSettings(options, model.config.contextLength);
  const { sequences, length, seed } = settings;
  const corpus = await healText(model.needTokenizer(), text.text, { sequences, length }, settings.heldOutTokens);
  const student = studentOf(model, settings);
  const names = new Set(student.trained.map(({ name }) => name));
  const teacher = settings.teacher && (await openTeacher(model, settings.teacher, names, { signal, onProgress }));
  const store = new ParameterStore(player, held);
  let learner: Learner | undefined;
  let kept: Awaited<ReturnType<typeof openHealState>>;
  try {
    const identity: HealIdentity = {
      settings,
      schedule: model.schedule,
      model: await fingerprintOf(model),
      teacher: teacher?.fingerprint,
      text: text.sha256,
    };
    kept = state === undefined ? undefined : await openHealState(state, resume, identity);
    const planned = planHealing(model, settings, student, teacher);
    note?.(describeLearner(planned));

    if (student.adapter) placeAdapter(store, student.adapter, initialValues(student.adapter, seed));
    else await loadTrained(model, student.trained, store, { signal, onProgress });
    await teacher?.load(store, { signal, onProgress });
    learner = new Learner(player, store, planned, { group: parameterOptions(planned.trained, 0.01, [], "heal") });
    const judged = teacher
      ? judgedByText(model, store, student, learner, length)
      : { learning: learner, dispose: () => {} };
    try {
      const runSteps = kept?.runSteps ?? (await stepsFor(settings, learner, corpus, note));
      await kept?.saved.restore(learner);
      if (kept) note?.(`going on after step ${kept.saved.steps} of ${runSteps}`);
      const log = state === undefined ? memoryLog() : await TrainingLog.open(healStateFiles(state).log, learner.steps);
      const every = Math.max(1, Math.ceil(runSteps / 5));
      const save = () => saveRun(healStateFiles(state!).checkpoint, learner!, identityOf(identity, runSteps));
      const trained = await train(judged.learning, {
        steps: runSteps,
        batches: corpus.windows(runSteps * sequences * length).shuffled(seed),
        rate: rateSchedule({
          ...{ shape: "cosine", rate: settings.rate, steps: runSteps, final: 0.1 },
          ...{ warmup: Math.ceil(runSteps / 20), cooldown: 0 },
        }),
        clip: 1,
        heldOut: corpus.heldOut,
        evaluated: lossAt(log.entries, learner.steps),
        // Within a budget of time the losses before and after have to do.
        ...("tokens" in settings.budget && { evaluateEvery: every }),
        ...(state !== undefined && { save, saveEvery: Math.min(every, 20) }),
        log: (entry) => log.write(entry),
        signal,
        onProgress,
      })
        .catch(explainDivergence)
        .finally(() => log.close());
      const values = new Map(planned.trained.map((parameter) => [parameter.name, store.read(parameter)]));
      const adapter =
        student.adapter && toStored(student.adapter, values, { base: model.name, schedule: ownSchedule(model) });
      const healed = adapter
        ? model.withAdapter(adapter, "what was healed")
        : await model.edited((source) => withTrainedWeights(source, student.trained, values), model.schedule, {
            signal,
          });
      const { heldOutLoss, ...rest } = trained;
      return {
        ...rest,
        model: healed,
        adapter,
        before: lossAt(log.entries, 0) ?? heldOutLoss!,
        after: heldOutLoss ?? lossAt(log.entries, runSteps)!,
        settings,
        runSteps,
        parameters: planned.trained.reduce((sum, { rows, columns }) => sum + rows * columns, 0),
        memory: planned.memory,
        log: log.entries,
      };
    } finally {
      judged.dispose();
    }
  } finally {
    learner?.dispose();
    store.dispose();
    await kept?.saved.close();
    await teacher?.close();
  }
}

/** Weights that will change begin as the file has them, in f32, whatever the frozen ones are kept in. */
async function loadTrained(
  model: Model,
  trained: Student["trained"],
  store: ParameterStore,
  options: Pick<HealOptions, "signal" | "onProgress">,
): Promise<void> {
  const checkpoint = await model.open();
  try {
    await loadWeights(checkpoint, trained, "f32", store, options);
  } finally {
    await checkpoint.close();
  }
}

/** Steps that the budget buys. For one of time, a step is taken to know what it costs, and undone. */
async function stepsFor(
  { budget, sequences, length }: HealSettings,
  learner: Learner,
  corpus: HealText,
  note: HealOptions["note"],
): Promise<number> {
  const tokens = sequences * length;
  if ("tokens" in budget) return Math.max(1, Math.round(budget.tokens / tokens));
  const started = performance.now();
  const { tokens: read, targets } = await corpus.windows(tokens).shuffled(0).batch(0);
  // The first pass also compiles the kernels. A share of 0 leaves gradients, moments and weights as they were.
  learner.accumulate(read, targets, 0);
  await yieldToEvents();
  const second = performance.now();
  learner.accumulate(read, targets, 0);
  learner.update({ rate: 0 });
  const now = performance.now();
  learner.restore([], 0);
  const step = (now - second) / 1000;
  const heldOut = corpus.heldOut.reduce((sum, batch) => sum + batch.tokens.length, 0);
  // A forward pass is about a third of a step.
  const evaluation = (2 * step * heldOut) / tokens / 3;
  const left = budget.seconds - (now - started) / 1000 - evaluation;
  const steps = Math.max(1, Math.floor(left / step));
  note?.(`a step takes ${step.toFixed(2)} s here: ${steps} steps, ${steps * tokens} tokens`);
  return steps;
}

/** Of its checkpoint, as it is edited. */
export async function fingerprintOf(model: Model): Promise<string> {
  const checkpoint = await model.open();
  try {
    return await fingerprint(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

/** What an adapter must say of the schedule: nothing where it is the model's own. */
function ownSchedule({ config, schedule }: Model): string | undefined {
  return printSteps(resolveSchedule(config, undefined)) === schedule ? undefined : schedule;
}

/** A log of a healing that nobody will resume. */
function memoryLog() {
  const entries: LogEntry[] = [];
  return { entries, write: async (entry: LogEntry) => void entries.push(entry), close: async () => {} };
}

function explainDivergence(error: unknown): never {
  if (!RefrainError.is(error) || error.code !== "diverged") throw error;
  throw failure("diverged", error.message, "Begin again with a lower --rate.", error);
}
