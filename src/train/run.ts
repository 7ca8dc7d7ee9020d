/**
 * A run: from a training file to a model folder. What happens between the steps stands in trainer.ts; here everything is put together that
 * it needs, and put away.
 */
import { nodeHost } from "../engine/wasm/node-host.ts";
import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { WasmPlayer } from "../engine/wasm/player.ts";
import { inputError } from "../errors.ts";
import { machineInWords } from "../machine.ts";
import { initialValues } from "../model/initialize.ts";
import type { LoadWeightsOptions } from "../model/load-weights.ts";
import { ropeTable } from "../model/rope.ts";
import { trainingNetwork } from "../model/training-network.ts";
import type { OnProgress } from "../progress.ts";
import { whileLocked } from "../weights/lock.ts";
import { Windows } from "./batches.ts";
import type { NewModel, TrainingConfig } from "./config.ts";
import { parameterOptions } from "./groups.ts";
import { Learner } from "./learner.ts";
import { describeLearner, type LearnerPlan, planLearner, refuseLearnerIfTooLarge } from "./learner-plan.ts";
import { maskedBatches, maskedHeldOut, maskingOf } from "./masked-batches.ts";
import { prepare } from "./prepare.ts";
import { rateSchedule } from "./rate.ts";
import { configHash, openRunFolder, removeRunState, runFiles } from "./run-folder.ts";
import { explainFailedWrite, type Identity, openRun, saveRun } from "./run-state.ts";
import { sample } from "./sample.ts";
import { loadStart } from "./start.ts";
import { type LogEntry, lossAt, type Trained, train } from "./trainer.ts";
import { TrainingLog } from "./training-log.ts";
import { writeModel } from "./write-model.ts";

export interface RunOptions {
  /** The folder that becomes the model. */
  readonly out: string;
  readonly resume?: boolean;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** What a person who waits wants to know as it comes: the plan of memory, samples. */
  readonly note?: ((text: string) => void) | undefined;
  /** Writes what belongs to the model's folder besides, e.g. a report; called before the run counts as finished. */
  readonly report?: ((result: RunResult) => Promise<void>) | undefined;
}

export interface RunResult extends Trained {
  readonly out: string;
  readonly model: NewModel;
  readonly parameters: number;
  readonly engine: string;
  readonly memory: LearnerPlan["memory"];
  /** Tokens that are trained on, and that are held out. */
  readonly corpus: { readonly train: number; readonly heldOut: number };
  readonly runSteps: number;
  readonly log: readonly LogEntry[];
  readonly machine: string;
}

/**
 * Trains what the file describes and writes the model. Throws what `prepare`, `openRunFolder`, `train` and writing throw;
 * `run-data` where a run would go on with other data, `output-busy` where another process works in the folder.
 */
export async function runTraining(config: TrainingConfig, options: RunOptions): Promise<RunResult> {
  const place = { folder: options.out, name: "train", what: options.out };
  return whileLocked(place, () =>
    runLocked(config, options).catch((error: unknown) => {
      throw explainFailedWrite(error, runFiles(options.out));
    }),
  );
}

async function runLocked(config: TrainingConfig, options: RunOptions): Promise<RunResult> {
  const { out, resume = false, signal, onProgress, note } = options;
  await openRunFolder(out, config, resume);
  const files = runFiles(out);
  const saved = resume ? await openRun(files.checkpoint) : undefined;
  try {
    const { tokenizer, corpus, model } = await prepare(config, { folder: out, resume, signal, onProgress });
    const identity: Identity = { config: configHash(config), data: corpus.sha256 };
    if (saved !== undefined && saved.identity.data !== identity.data) {
      throw inputError(
        "run-data",
        `${out} was trained on other data: the files of ${config.path} have changed since`,
        "Put the files back as they were, or begin a new run in another folder.",
      );
    }
    const { training } = config;
    const { sequences, length, accumulation } = training;
    const player = await WasmPlayer.create(nodeHost, options.threads === undefined ? {} : { threads: options.threads });
    const windows = await Windows.open(corpus.train, { sequences, length });
    const heldWindows = await Windows.open(corpus.validation, { sequences, length });
    try {
      const planned = planTraining(config, model, player.threads);
      note?.(describeLearner(planned));
      refuseLearnerIfTooLarge(planned, nodeHost.availableMemory());
      const { learner, store } = await newLearner(config, model, planned, player, { signal, onProgress });
      await saved?.restore(learner);
      if (saved) note?.(`going on after step ${saved.steps}`);
      else if (resume) note?.("there is no checkpoint yet: beginning anew");

      const steps = runLength(training, windows.count);
      const every = Math.max(1, Math.ceil(steps / 10));
      const { prompt } = training;
      const sampling = { player, store, model, tokenizer, prompt };
      const masking = model.config.bidirectional ? maskingOf(tokenizer, training.masks ?? "spans") : undefined;
      const shuffled = windows.shuffled(training.seed);
      const heldOut = corpus.validation.tokens < 2 ? undefined : await heldWindows.spread(training.evaluateTokens);
      const log = await TrainingLog.open(files.log, learner.steps);
      try {
        const trained = await train(learner, {
          steps,
          accumulation,
          batches: masking ? maskedBatches(shuffled, length, masking, training.seed) : shuffled,
          rate: rateSchedule({
            shape: training.rateSchedule,
            rate: training.rate,
            steps,
            warmup: training.warmup ?? Math.ceil(steps / 20),
            cooldown: training.cooldown ?? Math.ceil(steps / 5),
            final: training.finalRate ?? (training.rateSchedule === "warmup-stable-decay" ? 0 : 0.1),
          }),
          clip: training.clip === 0 ? undefined : training.clip,
          heldOut: masking && heldOut ? maskedHeldOut(heldOut, length, masking) : heldOut,
          evaluateEvery: training.evaluateEvery ?? every,
          evaluated: lossAt(log.entries, learner.steps),
          save: () => saveRun(files.checkpoint, learner, identity),
          saveEvery: training.saveEvery ?? training.evaluateEvery ?? every,
          sample: masking && prompt === "" ? undefined : () => sample(sampling, learner.steps),
          sampleEvery: training.sampleEvery ?? training.evaluateEvery ?? every,
          log: async (entry) => {
            await log.write(entry);
            if (!("sample" in entry)) return;
            note?.(`step ${entry.step}: ${JSON.stringify(masking ? entry.sample : prompt + entry.sample)}`);
          },
          signal,
          onProgress,
        });
        const result: RunResult = {
          ...trained,
          out,
          model,
          parameters: learner.trained.reduce((sum, { rows, columns }) => sum + rows * columns, 0),
          engine: player.describe(),
          memory: planned.memory,
          corpus: { train: corpus.train.tokens, heldOut: corpus.validation.tokens },
          runSteps: steps,
          log: log.entries,
          machine: machineInWords(),
        };
        await options.report?.(result);
        await writeModel(out, model, tokenizer, (parameter) => store.read(parameter));
        await removeRunState(out);
        return result;
      } finally {
        await log.close();
      }
    } finally {
      await Promise.all([windows.close(), heldWindows.close()]);
      await player.close();
    }
  } finally {
    await saved?.close();
  }
}

/** The graph of the model's loss and gradients, and the memory that learning takes. */
export function planTraining({ training }: TrainingConfig, { config, steps }: NewModel, threads: number): LearnerPlan {
  const { sequences, length, recompute, optimizer } = training;
  const table = ropeTable(config.rope, config.headWidth, length);
  const { graph } = trainingNetwork(config, steps, { table, trained: () => true, recompute });
  return planLearner(graph, { sequences, length, threads, optimizer });
}

/** A learner with first weights. */
async function newLearner(
  config: TrainingConfig,
  { config: model, steps, json }: NewModel,
  planned: LearnerPlan,
  player: WasmPlayer,
  options: LoadWeightsOptions,
): Promise<{ learner: Learner; store: ParameterStore }> {
  const { training, path, start } = config;
  const store = new ParameterStore(player);
  if (start !== undefined) await loadStart({ ...config, start }, model, planned.trained, store, options);
  const [beta1, beta2] = training.betas;
  const group = parameterOptions(planned.trained, training.weightDecay, training.groups, path);
  const learner = new Learner(player, store, planned, { beta1, beta2, epsilon: training.epsilon, group });
  if (start !== undefined) return { learner, store };
  const deviation = json.initializer_range as number;
  const room = new Float32Array(Math.max(...learner.trained.map(({ rows, columns }) => rows * columns)));
  for (const parameter of learner.trained) {
    learner.writeParameter(parameter, initialValues(parameter, steps, { seed: training.seed, deviation, room }));
  }
  return { learner, store };
}

/** Steps of the run. An epoch is as many as read every window once, rounded up. */
export function runLength(training: TrainingConfig["training"], windows: number): number {
  const { sequences, length, accumulation } = training;
  if (training.steps !== undefined) return training.steps;
  if (training.tokens !== undefined) return Math.ceil(training.tokens / (sequences * length * accumulation));
  return Math.max(1, Math.ceil(((training.epochs ?? 1) * windows) / (sequences * accumulation)));
}
