/**
 * One layer that does the work of a run of layers (LLM-Streamline, arXiv 2403.19135, section 3.2): it begins as the first of the
 * run and learns to turn the hidden state before the run into the one behind it, by the mean of squared differences.
 * Teacher and student are one graph: the model is played up to the end of the run, frozen, and the new layer beside it.
 */
import { differentiate } from "../engine/autodiff.ts";
import { Graph } from "../engine/graph.ts";
import type { Parameter } from "../engine/parameter.ts";
import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { createRandom } from "../generate/random.ts";
import type { ModelConfig } from "../model/config.ts";
import { familyOf } from "../model/families.ts";
import { playSteps } from "../model/network.ts";
import { ropeTable } from "../model/rope.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import { Learner } from "../train/learner.ts";
import { planLearner } from "../train/learner-plan.ts";
import { openRun, saveRun } from "../train/run-state.ts";
import { yieldToEvents } from "../yield.ts";
import { heldOutOf } from "./held-out.ts";
import type { Calibration, Journal } from "./method.ts";

/** Updates: a minute or less of a model of a hundred million parameters. */
const CHECKPOINT_EVERY = 100;

export interface ReplacementOptions {
  /** Positions in the model's schedule: the run that the layer stands for. */
  readonly first: number;
  readonly length: number;
  /** Steps of the optimizer, and windows of text for each. */
  readonly updates: number;
  readonly batch: number;
  /** At the beginning; it falls to a quarter along a cosine. */
  readonly rate: number;
  readonly seed: number;
  /** Where it keeps a checkpoint, so that it goes on where it was stopped, with the same bits. */
  readonly journal?: Journal | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface Replacement {
  /** By the parameters of block config.blocks, row-major. */
  readonly values: ReadonlyMap<string, Float32Array>;
  /** Mean squared difference on windows that were held out. */
  readonly before: number;
  readonly after: number;
  readonly heldOut: number;
}

/** No more are held out: they only say how well the layer does. */
const MOST_HELD_OUT = 64;

/** Every eighth window is held out, at least one and at most 64; the run must consist of whole blocks. */
export async function trainReplacement(
  model: Model,
  { tokens, window, windows }: Pick<Calibration, "tokens" | "window" | "windows">,
  options: ReplacementOptions,
): Promise<Replacement> {
  const { first, updates, seed, journal, signal, onProgress } = options;
  const { player, store: frozen } = model.memory;
  const { config, steps } = model;
  const { graph, parameters } = replacementGraph(model, options, window);
  const heldOut = Math.min(MOST_HELD_OUT, heldOutOf(windows));
  const learning = windows - heldOut;
  const batch = Math.min(options.batch, learning);
  const limits = { sequences: batch, length: window, threads: player.threads };
  const planned = planLearner(graph, { ...limits, storage: (parameter) => frozen.type(parameter) });
  const store = new ParameterStore(player, frozen);
  const decay = 1e-3;
  const learner = new Learner(player, store, planned, {
    group: ({ kind }) => ({ decay: kind === "matrix" ? decay : 0 }),
  });
  const read = (chosen: readonly number[]) => {
    const rows = chosen.flatMap((w) => tokens.slice(w * window, (w + 1) * window));
    return [Int32Array.from(rows), new Int32Array(rows.length)] as const;
  };
  const evaluate = async () => {
    let sum = 0;
    for (let w = learning; w < windows; w += batch) {
      signal?.throwIfAborted();
      const count = Math.min(batch, windows - w);
      sum += count * learner.evaluate(...read(Array.from({ length: count }, (_, i) => w + i)));
      onProgress?.({ label: "held-out windows", done: w + count - learning, total: heldOut, unit: "windows" });
      await yieldToEvents();
    }
    return sum / heldOut;
  };
  try {
    const { rename } = familyOf(config);
    for (const parameter of parameters) {
      const name = rename(parameter.name, config.blocks, steps[first]!.block);
      learner.writeParameter(parameter, frozen.read({ ...parameter, name }));
    }
    const before = (await goOn(learner, journal)) ?? (await evaluate());
    const draw = drawing(learning, seed);
    for (let drawn = 0; drawn < learner.steps * batch; drawn++) draw();
    for (let update = learner.steps; update < updates; update++) {
      if (signal?.aborted || (update > 0 && update % CHECKPOINT_EVERY === 0)) await keep(learner, journal, before);
      signal?.throwIfAborted();
      learner.accumulate(...read(Array.from({ length: batch }, draw)));
      const fallen = 0.25 + 0.375 * (1 + Math.cos((Math.PI * update) / updates));
      learner.update({ rate: options.rate * fallen, clip: 1 });
      onProgress?.({ label: "training a layer", done: update + 1, total: updates, unit: "steps" });
      await yieldToEvents();
    }
    await keep(learner, journal, before);
    const values = new Map(parameters.map((parameter) => [parameter.name, store.read(parameter)]));
    return { values, before, after: await evaluate(), heldOut };
  } finally {
    learner.dispose();
    store.dispose();
  }
}

/** What the held-out windows missed at the beginning, where a checkpoint is there to go on with: it is in the learner then. */
async function goOn(learner: Learner, journal: Journal | undefined): Promise<number | undefined> {
  const state = await journal?.read();
  if (typeof state !== "number" || !journal?.checkpoint) return undefined;
  const { path, identity } = journal.checkpoint;
  const saved = await openRun(path);
  if (saved === undefined) return undefined;
  try {
    if (saved.identity.search !== identity.search) return undefined;
    await saved.restore(learner);
    return state;
  } finally {
    await saved.close();
  }
}

async function keep(learner: Learner, journal: Journal | undefined, before: number): Promise<void> {
  if (!journal?.checkpoint) return;
  await journal.write(before);
  await saveRun(journal.checkpoint.path, learner, journal.checkpoint.identity);
}

function replacementGraph(
  { config, steps }: Model,
  { first, length }: Pick<ReplacementOptions, "first" | "length">,
  window: number,
): { graph: Graph; parameters: readonly Parameter[] } {
  const graph = new Graph({ oneSlot: true });
  const table = ropeTable(config.rope, config.headWidth, window);
  const boundaries = playSteps(graph, config, steps.slice(0, first + length), { table });
  const family = familyOf(config);
  const own = withBlockLike(config, steps[first]!.block);
  const attended = family.attention(graph, boundaries[first]!, own, config.blocks, table);
  const student = family.ffn(graph, attended, own, config.blocks);
  const loss = graph.mean(graph.meanSquares(student, boundaries.at(-1)!));
  graph.output("loss", loss);
  return { graph, parameters: differentiate(graph, loss, { trained: ({ block }) => block === config.blocks }) };
}

/** With one more block, which sees as far back as block `like`. */
export function withBlockLike(config: ModelConfig, like: number): ModelConfig {
  return { ...config, blocks: config.blocks + 1, windows: [...config.windows, config.windows[like]] };
}

/** Numbers below `count` in random order, and again in another once all have come. */
function drawing(count: number, seed: number): () => number {
  const random = createRandom(seed);
  let order: number[] = [];
  return () => {
    if (order.length === 0) {
      order = Array.from({ length: count }, (_, i) => i);
      for (let i = count - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1));
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
    }
    return order.pop()!;
  };
}
